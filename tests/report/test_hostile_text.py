"""Names, values, logs and comments are somebody else's text: they stay text, in their place, and within bounds."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.report.markup import block, clip, code, said, tag

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> &"
    " \u202etxt.exe\u2066 שלום \x1b[31m ]]> --> {{7*7}} `code` </style></title>"
)
EVIL_NAME = "".join(char for char in EVIL if char.isprintable())  # others are refused in a name

SPEC = r"""
description: "</title></style><script>alert('description')</script>"
inputs:
  given: { type: string }
steps:
  found:
    script:
      shell: python
      env: { GIVEN: "${{ inputs.given }}" }
      run: |
        import json, os
        given = os.environ["GIVEN"]
        finding = {"severity": given, "message": given, "help": given, "file": given, given: given}
        with open(os.environ["SOMAGENT_OUTPUT"], "a") as out:
            out.write("findings=" + json.dumps([finding, {"severity": "high", "message": "plain"}]) + "\n")
            out.write("table=" + json.dumps([{given: given, "b": [given, {given: given}]}]) + "\n")
    outputs:
      findings: { type: array, maxItems: 9, items: { type: object } }
      table: { type: array, maxItems: 9, items: { type: object } }
  said:
    needs: [found]
    script: { run: 'printf "%s\n" "$GIVEN"; printf "%s\n" "$GIVEN" >&2; exit 1', env: { GIVEN: "${{ inputs.given }}" } }
  asked:
    review: { title: "Is this right: ${{ inputs.given }}", show: ["${{ inputs.given }}"] }
outputs:
  findings: ${{ steps.found.findings }}
"""


@pytest.fixture
def hostile(ran: Callable[..., Any], decide: Callable[..., Any]) -> Any:
    async def act(engine: LocalEngine, run_id: str) -> None:
        await engine.run(run_id)
        await engine.signal(run_id, decide("asked", approve=False, by=EVIL_NAME, groups=[EVIL], comment=EVIL))
        await engine.run(run_id)

    return ran(SPEC, inputs={"given": EVIL}, act=act)


def test_text_of_others_makes_no_element_and_no_attribute(hostile: Any) -> None:
    elements = hostile.page.root.all()
    assert {element.tag for element in elements}.isdisjoint({"script", "img", "iframe", "object", "embed", "link"})
    names = {name for element in elements for name in element.attributes}
    assert not [name for name in names if name.startswith("on") or name in {"style", "src", "srcset", "action"}]
    assert "alert(1)" in hostile.page.text
    assert "alert('description')" in hostile.page.text


def test_every_place_shows_the_text_and_no_raw_markup(hostile: Any) -> None:
    for anchor in ("failures", "people", "findings", "steps", "inputs"):
        assert "<script>alert(1)</script>" in hostile.page.section(anchor), anchor
    assert "<script>alert" not in hostile.page.html


def test_characters_that_turn_or_hide_text_are_shown_by_number(hostile: Any) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", hostile.page.html)
    assert "\\u{202E}txt.exe" in hostile.page.text
    assert "שלום" in hostile.page.text


def test_words_of_others_are_isolated_from_ours(hostile: Any) -> None:
    held = [element for element in hostile.page.root.all() if "שלום" in element.text]
    innermost = [e for e in held if not any("שלום" in child.text for child in e.all())]
    assert {e.tag for e in innermost} <= {"bdi", "code", "pre", "b", "dt", "th", "span", "label", "text", "title"}
    assert "unicode-bidi: isolate" in hostile.page.html


def test_a_text_of_a_megabyte_is_cut_and_the_page_says_how_long_it_was(ran: Callable[..., Any]) -> None:
    long = ran(
        """
        steps:
          long:
            script:
              run: |
                printf 'big=%01000000d\\n' 7 >> "$SOMAGENT_OUTPUT"
                printf 'log %0500000d\\n' 7
            outputs: { big: { type: string } }
          fails:
            needs: [long]
            script: { run: "printf 'log %0500000d end\\\\n' 7; exit 1" }
        """
    )
    assert long.path.stat().st_size < 200_000
    assert "1,000,000 characters in all; the first 4,000 are shown" in long.page.section("steps")
    assert "7 end" in long.page.section("failures")


def test_log_bytes_that_are_no_text_do_not_break_the_page(ran: Callable[..., Any]) -> None:
    failed = ran(
        r"""
        steps:
          noisy:
            script:
              run: |
                printf '\377\376\033[1;31mred\033[0m\a\r\n'
                exit 3
        """
    )
    failed.path.read_bytes().decode("utf-8")
    section = failed.page.section("failures")
    assert "red\\u{0007}" in section
    assert "[1;31m" not in section.partition("Its log")[2]


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_comes_through_as_it_was_but_for_what_nobody_can_see(value: str) -> None:
    markup = tag("p", value)
    markup.encode("utf-8")
    assert markup.count("<") == 2
    assert _by_number(unescape(markup.removeprefix("<p>").removesuffix("</p>"))) == _by_number(value)
    assert tag("p", title=value).count('"') == 2
    for made in (said(value), code(value), block(value)):
        assert {made[at : at + 2] for at in range(len(made)) if made[at] == "<"} <= {"<b", "</", "<c", "<p", "<s"}


def _by_number(value: str) -> str:
    """The text with the characters that are shown by number put back."""
    return re.sub(r"\\u\{([0-9A-F]{4,6})\}", lambda match: chr(int(match[1], 16)), value)


def test_cutting_says_what_was_cut() -> None:
    assert clip("abc", 3) == ("abc", "")
    assert clip("abcd", 3) == ("abc", "… 4 characters in all; the first 3 are shown")
