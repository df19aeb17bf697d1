"""A place inside a value is found in the source, in every style of YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance.documents import (
    Diagnostic,
    Edit,
    ScalarNode,
    Span,
    decode_source,
    in_document,
    locate,
    node_at,
    read_yaml,
)

HOLE = "${{ inputs.x }}"


def scalar(text: str) -> tuple[ScalarNode, str]:
    source, found = decode_source("a.yaml", text.encode())
    assert found == []
    root, found = read_yaml(source)
    assert root is not None, found
    node = node_at(root, ("k",))
    assert isinstance(node, ScalarNode)
    return node, source.text


def shown(text: str, wanted: str) -> str:
    """What of the source is marked for the part `wanted` of the value."""
    node, source_text = scalar(text)
    start = node.text.index(wanted)
    source, _ = decode_source("a.yaml", text.encode())
    span = locate(source, node, Span(start, start + len(wanted)))
    return source_text[span.start : span.end]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "\ufeff", "# ümläut 漢字 😀\n", "'漢': \"\\u6f22\"\n"])
@pytest.mark.parametrize(
    "text",
    [
        f"k: {HOLE}",
        f"k: {HOLE}\n",
        f"k:    a {HOLE} b\n",
        f"k: 'it''s {HOLE}'\n",
        f'k: "tab\\t quote\\" \\u00e9 \\x41 \\U0001F600 {HOLE}"\n',
        f'k: "folded\n   line\n\n\n   {HOLE} end"\n',
        f'k: "escaped\\\n   \\  break {HOLE}"\n',
        f"k: 'folded\n   line\n\n   {HOLE} end'\n",
        f"k: plain\n   folded\n\n   {HOLE} end\n",
        f"k: |\n  literal\n    {HOLE}\n  end\n",
        f"k: |+2\n     {HOLE}\n\n",
        f"k: >-\n  folded\n  text\n\n  {HOLE}\n    more\n  end\n",
        f"k: >\n  \n  wide 漢字 😀 {HOLE}\n",
        f"k: | # why\n  {HOLE}",
        f"{{ k: 'a {HOLE}' }}",
        f"? k\n: 'a\t{HOLE}'\n",
    ],
)
def test_a_hole_is_found_where_it_stands(text: str, before: str, line_end: str) -> None:
    if text.startswith("{") and before.startswith("'"):
        before = ""
    whole = (before + text).replace("\n", line_end)
    assert shown(whole, HOLE) == HOLE
    assert shown(whole, "inputs") == "inputs"


def test_an_escape_is_marked_whole() -> None:
    assert shown('k: "a\\u00e9b"\n', "é") == "\\u00e9"
    assert shown("k: 'a''b'\n", "'") == "''"


def test_the_end_of_a_value_is_the_character_after_it() -> None:
    text = 'k: "ab"\n'
    node, source_text = scalar(text)
    span = locate(decode_source("a.yaml", text.encode())[0], node, Span(2, 2))
    assert source_text[span.start : span.end] == '"'


characters = st.lists(
    st.sampled_from([*"ab:#'\"\\{}$-|>,[]é漢😀\t\n", " ", "\u00a0", "\x07", "${{", "\\n"]), min_size=1, max_size=30
).map("".join)


@given(
    characters,
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.sampled_from([8, 1000]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_every_visible_character_is_found_in_every_style(
    value: str, style: str | None, width: int, unicode: bool, windows: bool
) -> None:
    text = yaml.dump({"k": value}, default_style=style, width=width, allow_unicode=unicode)
    if windows:
        text = text.replace("\n", "\r\n")
    source, found = decode_source("a.yaml", text.encode())
    assert found == []
    root, _ = read_yaml(source)
    assert root is not None
    node = node_at(root, ("k",))
    assert isinstance(node, ScalarNode)
    assert node.text == value
    for index, character in enumerate(value):
        if not character.isspace():
            span = locate(source, node, Span(index, index + 1))
            marked = source.text[span.start : span.end]
            assert (
                marked == character or yaml.safe_load(f"'{marked}'" if marked == "''" else f'"{marked}"') == character
            )


def test_an_edit_that_plain_text_cannot_hold_puts_it_in_quotes_and_one_that_no_style_can_is_left_out() -> None:
    for text, edit, kept in [
        ("k: abc\n", "a: b", '"a: bbc"'),
        ("k: abc\n", "a #b", '"a #bbc"'),
        ("{ k: abc }\n", "[a]", '"[a]bc"'),
        ("k: a[b]\n", "a[0]", "a[0]"),
        ("k: abc\n", "a\nb", None),
        ("k: 'abc'\n", "it's", "it''s"),
        ('k: "abc"\n', 'a"\\', 'a\\"\\\\'),
        ("k: |\n  abc\n", "a: [b] #c", "a: [b] #c"),
    ]:
        source, _ = decode_source("a.yaml", text.encode())
        node, _ = scalar(text)
        (moved,) = in_document(
            source, node, [Diagnostic("x", "y", Span(0, 1), edit=Edit(Span(0, 1), edit, "change it"))]
        )
        assert (moved.edit.text if moved.edit else None) == kept, text


def test_a_million_characters_with_thousands_of_mistakes_are_placed_in_one_walk() -> None:
    text = 'k: "' + "\\u0041 " * 100_000 + '"\n'
    node, source_text = scalar(text)
    source, _ = decode_source("a.yaml", text.encode())
    moved = in_document(source, node, [Diagnostic("x", "y", Span(at, at + 1)) for at in range(0, 200_000, 100)])
    assert {source_text[one.span.start : one.span.end] for one in moved} == {"\\u0041"}
