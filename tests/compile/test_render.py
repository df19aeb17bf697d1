"""Mistakes are shown as compilers show them: the line, the place, the way out, whatever the text looks like."""

from __future__ import annotations

import re
import unicodedata

import pytest

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
