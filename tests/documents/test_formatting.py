"""One layout: it changes no value, no order and no comment, and the laid out text stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from any_yaml import documents
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from somagent.governance.documents import Source, comments, decode_source, read_yaml
from somagent.governance.documents.formatting import format_source

CASES = Path(__file__).with_name("formatting")
REPOSITORY = Path(__file__).parents[2]
WRITTEN = [
    path
    for folder in (
        "capsule_compiler/diagnostics/examples",
        "docs/examples",
        "workflows/library",
        "cli/templates",
        "tests",
    )
    for path in sorted((REPOSITORY / folder).rglob("*.yaml"))
    if CASES not in path.parents
]


def laid_out(text: str) -> str:
    out, found = format_source(Source("a.yaml", text))
    assert out is not None, found
    return out


def read(text: str) -> tuple[Any, list[str]]:
    source = Source("a.yaml", text)
    root, _ = read_yaml(source)
    assert root is not None
    return root.plain(), [text[span.start : span.end].rstrip() for span in comments(source)]


def keep_their_promise(text: str) -> str:
    out = laid_out(text)
    assert read(out) == read(text.replace("\r\n", "\n"))
    assert laid_out(out) == out
    assert out.endswith("\n")
    return out


@pytest.mark.parametrize("path", sorted(CASES.glob("*.before.yaml")), ids=lambda path: path.name.partition(".")[0])
def test_a_text_gets_its_layout(path: Path, golden: Any) -> None:
    out = keep_their_promise(decode_source(path.name, path.read_bytes())[0].text)
    golden(path.with_name(path.name.replace(".before.", ".after.")), out)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(documents())
def test_whatever_can_be_read_keeps_its_values_and_comments(text: str) -> None:
    root, found = read_yaml(Source("a.yaml", text))
    event("read" if root is not None and not found else "refused")
    assume(root is not None and not found)
    keep_their_promise(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(WRITTEN), st.data())
def test_comments_and_blank_lines_may_be_put_anywhere_into_a_document(path: Path, data: st.DataObject) -> None:
    source, found = decode_source(path.name, path.read_bytes())
    assume(not found)
    lines = source.text.split("\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["", "   ", "# a", "      # deep", "#", "b"]))
        if what == "b":
            lines[at] += " # behind"
        else:
            lines.insert(at, what)
    text = "\n".join(lines)
    if format_source(Source("a.yaml", text))[0] is not None:
        keep_their_promise(text)


BITS = st.sampled_from(
    [*"#\n?'\"|%!é\t\\", " #", "  ", "# c\n", "\n  ", " - ", "{", "}", "]", ", ", ": ", "|+\n", "---\n"]
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WRITTEN), st.lists(st.tuples(st.integers(0, 5_000), BITS), min_size=1, max_size=5))
def test_a_document_with_anything_typed_into_it_is_refused_or_keeps_what_it_says(
    path: Path, typed: list[tuple[int, str]]
) -> None:
    source, found = decode_source(path.name, path.read_bytes())
    assume(not found)
    text = source.text
    for at, bit in typed:
        text = text[: at % len(text)] + bit + text[at % len(text) :]
    source, found = decode_source(path.name, text.encode())
    if not found and format_source(source)[0] is not None:
        keep_their_promise(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1", "yaml-syntax"),
        ("a: 1\na: 2\n", "duplicate-key"),
        ("a: &x 1\nb: *x\n", "yaml-alias"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("# nothing\n", "empty-document"),
        ("[a]: b\n", "key-not-text"),
        ("{ ? }\n", "key-not-text"),
    ],
)
def test_what_cannot_be_read_whole_is_not_touched(text: str, fault: str) -> None:
    out, found = format_source(Source("a.yaml", text))
    assert out is None
    assert fault in {one.name for one in found}


def test_other_mistakes_forbid_no_layout() -> None:
    assert laid_out("on:   yes\nn: .inf\n1: 2\n") == "on: yes\nn: .inf\n1: 2\n"


def test_lines_end_as_in_unix_and_the_last_one_too() -> None:
    text = "a: 1\r\n\r\n\r\nb: |\r\n   x\r\n   y\r\nc: >+\r\n  z"
    assert keep_their_promise(text) == "a: 1\n\nb: |\n  x\n  y\nc: >-\n  z\n"


def test_the_width_is_counted_as_a_terminal_shows_it() -> None:
    narrow = "a: { b: " + "é" * 110 + " }\n"
    wide = "a: { b: " + "漢" * 60 + " }\n"
    assert keep_their_promise(narrow) == narrow
    assert keep_their_promise(wide) == "a:\n  b: " + "漢" * 60 + "\n"


def test_a_key_too_long_for_its_line_has_one_of_its_own() -> None:
    text = f"? {'k' * 1500}\n: {{x:   1}}\n"
    assert keep_their_promise(text) == f"? {'k' * 1500}\n: {{ x: 1 }}\n"


def test_a_line_that_a_comment_allows_something_on_is_not_broken() -> None:
    long = "{ a: " + "x" * 70 + ", b: " + "y" * 70 + " }"
    behind = f"k: {long} # somagent: allow CAP017 why\n"
    above = f"l:\n  # somagent: allow CAP017 why\n  - {long}\n"
    assert keep_their_promise(behind) == behind
    assert keep_their_promise(above) == above
    assert keep_their_promise(f"k: {long} # why\n").count("\n") == 3
    assert keep_their_promise("-\n  # of the next line\n  - k: v\n") == "# of the next line\n- - k: v\n"


def test_a_text_alone_is_left_alone() -> None:
    for text in (" ...\n", " --- a\n", "'a'"):
        assert laid_out(text) == text


def test_a_document_that_would_be_too_large_to_be_read_is_left_as_it_is():
    text = "{ a: { b: { c: { d: { e: [" + ", ".join("x" * 75_000) + "] } } } } }\n"
    laid_out, found = format_source(Source("a.yaml", text))
    assert laid_out is None
    assert [one.name for one in found] == ["document-too-large"]
    assert "in its layout" in found[0].message
