"""A warning is allowed where it stands, with a reason; an allowance that does nothing is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Mistakes = Callable[..., list[tuple[str, str]]]

SPEC = """\
  inputs:
    ask: {{ type: boolean, default: true }}
  steps:
    build: {{ script: {{ run: make }} }}
    agree:
      needs: [build, build]{twice}
      if: {condition}
      review: {{ title: Go on }}
    go: {{ needs: [agree], script: {{ run: x }} }}
"""
TWICE, SKIPS = ("need-twice", "build"), ("gate-may-skip", "if")


def spec(twice: str = "", condition: str = "inputs.ask") -> str:
    return SPEC.format(twice=twice, condition=condition)


def test_without_an_allowance_warnings_are_shown(mistakes: Mistakes) -> None:
    assert mistakes(spec()) == [TWICE, SKIPS]


@pytest.mark.parametrize(
    "comment",
    [
        "  # somagent: allow CAP214 order is clearer so",
        "  # somagent: allow need-twice order is clearer so",
        "  # somagent: allow cap214: order is clearer so",
        "  ## somagent: allow  CAP214  order is clearer so",
    ],
)
def test_an_allowance_at_the_end_of_a_line_is_about_that_line(mistakes: Mistakes, comment: str) -> None:
    assert mistakes(spec(comment)) == [SKIPS]


@pytest.mark.parametrize("between", ["", "\n", "      # a word\n", "      # a word\n\n      # another\n"])
def test_an_allowance_on_its_own_line_is_about_the_next_line_with_more_than_a_comment(
    mistakes: Mistakes, between: str
) -> None:
    comment = f"\n      # somagent: allow CAP403 a closed gate is meant\n{between}"
    assert mistakes(spec(comment.removesuffix("\n"))) == [TWICE]


def test_an_allowance_reaches_no_further_than_its_line(mistakes: Mistakes) -> None:
    found = mistakes(spec("  # somagent: allow CAP403 not on this line"))
    assert found == [TWICE, ("allow-unused", "CAP403"), SKIPS]


def test_one_allowance_can_name_several_codes(mistakes: Mistakes) -> None:
    both = "  # somagent: allow CAP403, CAP214 the second is needed"
    assert mistakes(spec(both)) == [("allow-unused", "CAP403"), SKIPS]


def test_a_text_of_several_lines_is_allowed_from_where_it_begins(mistakes: Mistakes) -> None:
    condition = "| # somagent: allow CAP403 a closed gate is meant\n        inputs.ask &&\n        true"
    assert mistakes(spec(condition=condition)) == [TWICE]


@pytest.mark.parametrize(
    "title",
    [
        "'# somagent: allow CAP403 no comment'",
        "|\n          # somagent: allow CAP403 no comment",
        '"x # somagent: allow CAP403 no comment"',
        "a#somagent allow CAP403 no comment",
    ],
)
def test_a_text_allows_nothing(mistakes: Mistakes, title: str) -> None:
    moved = spec().replace("      review: { title: Go on }\n", "")
    assert mistakes(moved.replace("      if:", f"      review:\n        title: {title}\n      if:")) == [TWICE, SKIPS]


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("allow CAP214", ("allow-without-reason", "# somagent: allow CAP214")),
        ("allow CAP214 ...", ("allow-without-reason", "# somagent: allow CAP214 ...")),
        ("allow", ("allow-malformed", "# somagent: allow")),
        ("alow CAP214 so", ("allow-malformed", "# somagent: alow CAP214 so")),
        ("allow CAP241 so", ("allow-unknown", "CAP241")),
        ("allow CAP203 so", ("allow-of-error", "CAP203")),
        ("allow CAP801 so", ("allow-of-error", "CAP801")),
    ],
)
def test_what_allows_nothing_is_told_and_the_warning_stays(
    mistakes: Mistakes, comment: str, found: tuple[str, str]
) -> None:
    assert sorted(mistakes(spec(f"  # somagent: {comment}"))) == sorted([TWICE, SKIPS, found])


def test_an_error_is_never_allowed(mistakes: Mistakes) -> None:
    found = mistakes("  steps:\n    a: { needs: [b], script: { run: x } }  # somagent: allow CAP202 it will come\n")
    assert found == [("unknown-need", "b"), ("allow-of-error", "CAP202")]


def test_while_there_are_errors_nothing_is_called_unused(mistakes: Mistakes) -> None:
    found = mistakes("  steps:\n    # somagent: allow CAP403 not yet looked for\n    a: { script: { rum: x } }\n")
    assert {name for name, _ in found} == {"unknown-field"}


def test_where_the_search_was_ended_nothing_is_called_unused(mistakes: Mistakes) -> None:
    comment = "# somagent: allow CAP214 order is clearer so"
    steps = "".join(f"    s{at}: {{ needs: [a, a], script: {{ run: x }} }}  {comment}\n" for at in range(700))
    assert mistakes("  steps:\n    a: { script: { run: x } }\n" + steps) == []
