"""Mistakes are shown as compilers show them: the line, the place, the way out, whatever the text looks like."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.capsule_compiler.diagnostics import render, render_all, to_record
from somagent.governance.documents import Diagnostic, Edit, Label, Source, Span


def mistake(text: str, marked: str, **details: object) -> tuple[Source, Diagnostic]:
    start = text.index(marked)
    return Source("a.capsule.yaml", text), Diagnostic(
        "unknown-output",
        "step `test` has no output `covrage`",
        Span(start, start + len(marked)),
        **details,  # type: ignore[arg-type]
    )


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def test_it_looks_like_the_example_of_the_design() -> None:
    text = "steps:\n      require: steps.test.covrage >= 0.7\n"
    source, one = mistake(text, "covrage", note="did you mean `coverage`?")
    assert render(source, one) == (
        "error[CAP203]: step `test` has no output `covrage`\n"
        " --> a.capsule.yaml:2:27\n"
        "2 |       require: steps.test.covrage >= 0.7\n"
        "  |                           ^^^^^^^ did you mean `coverage`?\n"
    )


@pytest.mark.parametrize("before", ["", "\t\t", "漢字漢字 ", "é à ", "e\u0301 ", "😀 ", "\u00a0"])
def test_marks_stand_under_their_text(before: str) -> None:
    source, one = mistake(f"a: {before}covrage # why\n", "covrage")
    _, _, line, marks = render(source, one).splitlines()
    assert cells(line[: line.index("covrage")].replace("\u0301", "")) == marks.index("^")
    assert marks.count("^") == len("covrage")


def test_wide_characters_are_underlined_whole() -> None:
    source, one = mistake("a: 漢字\n", "漢字")
    assert render(source, one).splitlines()[-1].count("^") == 4


def test_labels_stand_in_the_order_of_the_text_with_a_gap_between_lines_apart() -> None:
    text = "first: 1\nother: 2\nthird: 3\nfirst: 4\n"
    source = Source("a", text)
    start = text.rindex("first")
    one = Diagnostic(
        "duplicate-key", "twice", Span(start, start + 5), note="again", labels=(Label(Span(0, 5), "first here"),)
    )
    assert render(source, one).splitlines()[2:] == [
        "1 | first: 1",
        "  | ----- first here",
        "...",
        "4 | first: 4",
        "  | ^^^^^ again",
    ]


def test_a_long_line_is_cut_around_the_mistake() -> None:
    source, one = mistake("a: " + "x" * 5000 + " covrage " + "y" * 5000, "covrage")
    shown = render(source, one)
    assert "covrage" in shown.splitlines()[2]
    assert max(map(len, shown.splitlines())) < 200
    line, marks = shown.splitlines()[2:4]
    assert line.index("covrage") == marks.index("^")


def test_characters_that_would_move_a_terminal_are_shown_as_a_box() -> None:
    source, one = mistake("a: \x1b[31m\u202e covrage\n", "covrage")
    shown = render(source, one)
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_place_at_the_end_of_a_text_without_a_last_line_break_is_shown() -> None:
    source = Source("a", "a: b")
    one = Diagnostic("yaml-syntax", "more is wanted", Span(4, 5))
    assert render(source, one).splitlines()[2:] == ["1 | a: b", "  |     ^"]


def test_windows_line_ends_and_tabs_move_nothing() -> None:
    source, one = mistake("x: 1\r\n\ta: covrage\r\n", "covrage")
    assert render(source, one).splitlines()[2:] == ["2 |  a: covrage", "  |     ^^^^^^^"]


def test_colours_change_nothing_but_colours() -> None:
    source, one = mistake("a: covrage\n", "covrage", note="here", help="do that")
    plain, coloured = render(source, one), render(source, one, color=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_the_last_line_counts() -> None:
    source, one = mistake("a: covrage\n", "covrage")
    warning = Diagnostic("need-twice", "twice", Span(0, 1))
    assert render_all(source, [one, one, warning]).splitlines()[-1] == "a.capsule.yaml: 2 errors, 1 warning"
    assert render_all(source, []) == ""


def test_a_record_has_all_that_is_shown() -> None:
    source, one = mistake(
        "x: 1\na: covrage\n",
        "covrage",
        note="did you mean `coverage`?",
        help="h",
        labels=(Label(Span(0, 1), "l"),),
        edit=Edit(Span(8, 15), "coverage", "rename"),
    )
    assert to_record(source, one) == {
        "code": "CAP203",
        "name": "unknown-output",
        "severity": "error",
        "message": "step `test` has no output `covrage`",
        "file": "a.capsule.yaml",
        "line": 2,
        "column": 4,
        "endLine": 2,
        "endColumn": 11,
        "note": "did you mean `coverage`?",
        "help": "h",
        "labels": [{"text": "l", "line": 1, "column": 1, "endLine": 1, "endColumn": 2}],
        "edit": {
            "title": "rename",
            "text": "coverage",
            "safe": False,
            "line": 2,
            "column": 4,
            "endLine": 2,
            "endColumn": 11,
        },
    }


def test_a_place_over_several_lines_is_shown_by_its_first_and_its_last_line() -> None:
    text = "run: |\n  first\n  second\n  third\nnext: 1\n"
    source = Source("a", text)
    end = text.index("\nnext")
    one = Diagnostic("unknown-output", "m", Span(5, end + 1), note="here", labels=(Label(Span(9, 14), "inside"),))
    assert render(source, one).splitlines()[2:] == [
        "1 | run: |",
        "  |      ^",
        "2 |   first",
        "  |   ----- inside",
        "...",
        "4 |   third",
        "  |   ^^^^^ here",
    ]


def test_two_places_of_one_line_share_it() -> None:
    source, one = mistake("a: covrage, b: coverage\n", "covrage", labels=(Label(Span(15, 23), "this one"),))
    assert render(source, one).splitlines()[2:] == [
        "1 | a: covrage, b: coverage",
        "  |    ^^^^^^^",
        "  |                -------- this one",
    ]


def test_of_very_many_places_some_are_shown_and_the_rest_is_counted() -> None:
    source = Source("a", "x\n" * 50)
    labels = tuple(Label(Span(2 * at, 2 * at + 1), f"number {at}") for at in range(1, 31))
    lines = render(source, Diagnostic("unknown-output", "m", Span(0, 1), labels=labels)).splitlines()
    assert sum("number" in line for line in lines) == 8
    assert lines[-1].strip() == "= note: and 22 more places of this kind"


def test_a_long_line_of_wide_characters_fits_as_a_narrow_one_does() -> None:
    source, one = mistake("a: " + "漢" * 500 + " covrage " + "字" * 500, "covrage")
    shown = render(source, one).splitlines()[2:4]
    assert max(map(cells, shown)) < 200
    assert cells(shown[0][: shown[0].index("covrage")]) == shown[1].index("^")


@given(
    st.text(alphabet="ab \t漢\u0301\u202e\n\r", max_size=400),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=6),
)
def test_every_place_of_every_text_can_be_shown(text: str, places: list[tuple[int, int]]) -> None:
    source = Source("a", text)
    spans = [Span(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in places]
    labels = tuple(Label(span, "label") for span in spans[1:])
    shown = render(source, Diagnostic("unknown-output", "m", spans[0], note="note", labels=labels))
    lines = shown.splitlines()[2:]
    numbers = [int(line.partition("|")[0]) for line in lines if line.partition("|")[0].strip().isdecimal()]
    assert numbers == sorted(numbers)
    assert sum("note" in line for line in lines) == 1
    assert sum("label" in line for line in lines) == len(labels)
    assert "^" in shown
    assert not set(shown) & set("\t\r\u202e")


def test_help_of_several_lines_stands_in_one_column() -> None:
    source, one = mistake("a: covrage\n", "covrage", help="first\n    second")
    assert render(source, one).splitlines()[-2:] == ["  = help: first", "          second"]
