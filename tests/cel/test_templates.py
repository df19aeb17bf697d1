"""Holes in text: where they begin and end, what is wrong in them, and how values look in text."""

from __future__ import annotations

import itertools
import json
import math
import random
import struct

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.governance import cel

LONG = "${{ " + "a" * 20_001 + " }}"


def parts(text: str) -> list[str]:
    """Plain parts as they are, holes as `<expression>`."""
    return [part if isinstance(part, str) else f"<{part.text}>" for part in cel.parse_template(text).parts]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("${{ a }}", ["<a>"]),
        ("${{a}}", ["<a>"]),
        ("x ${{ a }} y ${{ b + c }}", ["x ", "<a>", " y ", "<b + c>"]),
        ("${{ a }}${{ b }}", ["<a>", "<b>"]),
        ('${{ "}}" + a }}!', ['<"}}" + a>', "!"]),
        ("${{ '}}' }} ${{ r'\\' }}", ["<'}}'>", " ", "<r'\\'>"]),
        ('${{ """}} " }}""" }}', ['<""""}} " }}""">'.replace('""""', '"""')]),
        ('${{ {"a": {"b": 1}} }}', ['<{"a": {"b": 1}}>']),
        ('${{{"a": {"b": 1}}}}', ['<{"a": {"b": 1}}>']),
        ('${{ {"a": {"b": {}}}.a.b }}}', ['<{"a": {"b": {}}}.a.b>', "}"]),
        ("${{ a // not }} the end\n }}", ["<a // not }} the end>"]),
        ("${{\n  a +\n  b\n}}", ["<a +\n  b>"]),
        ("$${{ a }}", ["${{ a }}"]),
        ("x $${{ a }} ${{ b }} $${{", ["x ${{ a }} ", "<b>", " ${{"]),
        ("$$${{ a }}", ["$${{ a }}"]),
        ("$ {{ a }} ${ b } {{ c }} }} $", ["$ {{ a }} ${ b } {{ c }} }} $"]),
        ('${{ "${{" }}', ['<"${{">']),
    ],
)
def test_a_text_is_split_into_parts(text, found):
    assert parts(text) == found


def test_only_a_text_that_is_one_hole_is_whole():
    assert cel.parse_template("${{ a }}").whole
    for text in ("", "a", " ${{ a }}", "${{ a }} ", "${{ a }}${{ b }}", "$${{ a }}", "${{ a }}\n"):
        assert not cel.parse_template(text).whole


def test_places_count_from_the_beginning_of_the_text():
    text = "é ${{ a.b }} and ${{ c.map(x, x.nope) }}"
    first, second = cel.parse_template(text).holes
    assert [text[slice(*hole.span)] for hole in (first, second)] == ["${{ a.b }}", "${{ c.map(x, x.nope) }}"]
    assert text[slice(*first.expr.span)] == "a.b"
    item = cel.ObjectType({"name": cel.Field(cel.STRING)})
    (fault,) = cel.check(second.expr, {"c": cel.ListType(item)}).diagnostics
    assert text[slice(*fault.span)] == "nope"
    assert fault.span.start > 10


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("${{ a", [("unclosed-hole", "${{")]),
        ("x ${{ a } y", [("unclosed-hole", "${{")]),
        ("${{ }}", [("empty-hole", "${{ }}")]),
        ("${{}}", [("empty-hole", "${{}}")]),
        ("${{ // a\n }}", [("empty-expression", " // a\n ")]),
        ("${{ 1 + }} ${{ ok }} ${{ a b }}", [("expression-syntax", ""), ("expression-syntax", "b")]),
        ("${{ }} ${{ 1u }}", [("empty-hole", "${{ }}"), ("expression-unsupported", "1u")]),
        ('${{ "open }} ${{ 1u }}', [("expression-syntax", '"open '), ("expression-unsupported", "1u")]),
        ("${{ a # b }} ${{ if }}", [("expression-syntax", "#"), ("reserved-word", "if")]),
        ("${{ [a }} ${{ b }}", [("expression-syntax", "[")]),
        ("${{ {a }} ${{ 1u }}", [("expression-syntax", ""), ("expression-unsupported", "1u")]),
        ("${{ a }} ${{ b", [("unclosed-hole", "${{")]),
        pytest.param("${{ a ${{ b " * 50_000, [("unclosed-hole", "${{")], id="many unclosed"),
        pytest.param("${{ // " * 50_000, [("unclosed-hole", "${{")], id="many comments"),
        pytest.param('${{ "' * 50_001, [("unclosed-hole", "${{")], id="many strings"),
        pytest.param(LONG, [("expression-too-long", LONG)], id="too long"),
        ("${{ " + "(" * 80 + " }}", [("expression-too-deep", "(")]),
    ],
)  # fmt: skip
def test_the_mistakes_of_all_holes_are_reported_together(text, faults):
    with pytest.raises(cel.SyntaxFault) as caught:
        cel.parse_template(text)
    assert [(fault.name, text[slice(*fault.span)]) for fault in caught.value.diagnostics] == faults


def test_an_unclosed_hole_can_be_made_plain_text():
    text = "costs ${{ nothing"
    with pytest.raises(cel.SyntaxFault) as caught:
        cel.parse_template(text)
    edit = caught.value.diagnostics[0].edit
    assert edit is not None
    mended = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert cel.parse_template(mended).parts == (text,)


def test_has_holes_tells_plain_text_at_once():
    assert cel.has_holes("a ${{ b }}")
    assert cel.has_holes("a $${{ b }}")
    assert not cel.has_holes("a $ {{ b }} ${c}")


@given(st.lists(st.one_of(st.sampled_from(["${{", "$${{", "}}", "{", "}", '"', "'", "a", " ", "//", "\n", "1", "$"]))))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_template_or_a_fault_inside_the_text(pieces):
    text = "".join(pieces)
    try:
        template = cel.parse_template(text)
    except cel.SyntaxFault as fault:
        outside = [one for one in fault.diagnostics if not 0 <= one.span.start <= one.span.end <= len(text)]
        assert (bool(fault.diagnostics), outside) == (True, [])  # noqa: PT017 - the fault is one of two right answers
    else:
        spans = [hole.span for hole in template.holes]
        assert all(before.end <= after.start for before, after in itertools.pairwise(spans))
        assert all(text[span.start : span.end].startswith("${{") for span in spans)


@pytest.mark.parametrize("seed", range(10))
def test_any_expression_may_stand_in_a_hole(seed, author_of):
    choose = random.Random(seed).randrange
    for _ in range(30):
        author = author_of(choose, 0)
        texts = [author.expr(author.any_type(), 3) for _ in range(2)]
        template = cel.parse_template("<${{" + texts[0] + "}} " + "${{ " + texts[1] + " }}")
        assert [cel.write(hole.expr) for hole in template.holes] == [cel.write(cel.parse(text)) for text in texts]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a \"b\"\n", "a \"b\"\n"),
        (True, "true"),
        (None, "null"),
        (-7, "-7"),
        (2**63 - 1, "9223372036854775807"),
        (0.7, "0.7"),
        (1000000.0, "1000000"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        ([1, "é\n", [None]], '[1,"é\\n",[null]]'),
        ({"b": 1, "a": {}, 2: True}, '{"2":true,"a":{},"b":1}'),
        ([math.nan], "[nan]"),
    ],
)  # fmt: skip
def test_a_value_in_text(value, text):
    assert cel.render_text(value) == text


NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53) + 1, 2**53 - 1))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=400, deadline=None)
def test_everything_but_strings_appears_as_rfc_8785_writes_it(value):
    expected = value if isinstance(value, str) else rfc8785.dumps(value).decode()
    assert cel.render_text(value) == expected


def test_doubles_in_text_are_ecmascript_numbers():
    draw = random.Random(1)
    numbers = [draw.choice((-1, 1)) * draw.randint(1, 10**6) * 10.0 ** draw.randint(-30, 30) for _ in range(3000)]
    numbers += [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(3000)]
    for number in filter(math.isfinite, numbers):
        assert cel.render_text(number) == rfc8785.dumps(number).decode()


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_values_in_text_read_back_as_json(value):
    if not isinstance(value, str):
        assert json.loads(cel.render_text(value), parse_int=float) == value
