"""Text to tree: places of everything, bounds, and the wording of what is not CEL."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from somagent.governance import cel
from somagent.governance.cel.syntax import children
from somagent.governance.documents import Span

TWO_VARIABLES = "macros with two variables are not in this subset of CEL"


def faults_of(text: str) -> list[tuple[str, str, str]]:
    """Name, message and marked text of every syntax fault."""
    with pytest.raises(cel.SyntaxFault) as caught:
        cel.parse(text)
    return [(fault.name, fault.message, text[slice(*fault.span)]) for fault in caught.value.diagnostics]


def nodes(expr: cel.Expr) -> list[cel.Expr]:
    return [expr, *(node for child in children(expr) for node in nodes(child))]


def without_places(value: object) -> object:
    """A tree as nested tuples, spans left out."""
    if isinstance(value, Span):
        return None
    if isinstance(value, Struct):
        return (type(value).__name__, *(without_places(getattr(value, name)) for name in value.__struct_fields__))
    return tuple(map(without_places, value)) if isinstance(value, tuple) else value


@pytest.mark.parametrize("seed", range(20))
def test_the_text_at_a_node_is_that_node(seed, author_of):
    choose = random.Random(seed).randrange
    for _ in range(30):
        author = author_of(choose, 0)
        text = author.expr(author.any_type(), 3)
        for node in nodes(cel.parse(text)):
            again = cel.parse(text[slice(*node.span)])
            assert cel.write(again) == cel.write(node)


@pytest.mark.parametrize("seed", range(20))
def test_a_written_tree_parses_to_the_same_text_and_value(seed, author_of, run_ours):
    choose = random.Random(seed).randrange
    for _ in range(30):
        author = author_of(choose, 0)
        bindings, text = author.bindings(), author.expr(author.any_type(), 4)
        written = cel.write(cel.parse(text))
        assert cel.write(cel.parse(written)) == written
        assert run_ours(written, bindings).same(run_ours(text, bindings))


KEPT = """a.b[0].c(1)|-(1)|--(1)|!!a|-(-1)|(a ? b : c) ? d : e|a ? b : c ? d : e|(a + b) * c|a - (b - c)|a - b - c
(a == b) == c|a == (b == c)|(-1).size()|1.0.size()|x.`a-b`.`in`|r"\\"|{"a": [1, {}]}|a.map(x, x > 1, x)|has(a.b.`c d`)
-(.5)|a in (b in c)|(a ? b : c).d|[a ? b : c]|!(a && b)|-(a + b)""".replace("\n", "|").split("|")


@pytest.mark.parametrize("text", [*KEPT, "(a || b) && c", "a || b && c"])
def test_writing_keeps_the_tree(text):
    expr = cel.parse(text)
    assert without_places(cel.parse(cel.write(expr))) == without_places(expr)


@pytest.mark.parametrize(
    ("text", "name", "message", "marked"),
    [
        ("", "empty-expression", "there is no expression here", ""),
        ("  // nothing", "empty-expression", "there is no expression here", "  // nothing"),
        ("1 +", "expression-syntax", "expected a value, found the end", ""),
        ("f(1, 2", "expression-syntax", "`(` is never closed", "("),
        ("[1, 2", "expression-syntax", "`[` is never closed", "["),
        ("[1 2]", "expression-syntax", "expected `,` or `]`, found `2`", "2"),
        ("{1}", "expression-syntax", "expected `:`, found `}`", "}"),
        ("(a b)", "expression-syntax", "expected an operator or `)`, found `b`", "b"),
        ("a b", "expression-syntax", "expected an operator or the end, found `b`", "b"),
        ("a and b", "expression-syntax", "`and` is not an operator: use `&&`", "and"),
        ("not a", "expression-syntax", "`not` is not an operator: use `!`", "not"),
        ("a = 1", "expression-syntax", "`=` is not an operator", "="),
        ("a & b", "expression-syntax", "`&` is not an operator", "&"),
        ("a ; b", "expression-syntax", "`;` has no meaning in an expression", ";"),
        ("a + \x00", "expression-syntax", "`U+0000` has no meaning in an expression", "\x00"),
        ("“a”", "expression-syntax", "`“` is not an operator", "“"),
        ('"abc', "expression-syntax", "this string is never closed", '"abc'),
        ("a ? b ? c : d : e", "expression-syntax", "`?` cannot follow here", "?"),
        ("-!a", "expression-syntax", "`!` and `-` cannot stand side by side", "!"),
        ("in a", "expression-syntax", "a value is missing before `in`", "in"),
        ("`a`", "expression-syntax", "only a field can be written in backquotes", "`a`"),
        ("a.all(x)", "expression-syntax", "`all` takes a variable and an expression", "a.all(x)"),
        ("12ab", "invalid-literal", "`12ab` is not a number", "12ab"),
        ("9223372036854775808", "invalid-literal", "this number does not fit into 64 bits", "9223372036854775808"),
        ("1e999", "invalid-literal", "this number is larger than any double", "1e999"),
        (r'"a\d"', "invalid-literal", r"`\d` is not an escape", r"\d"),
        (r'"a\ud800"', "invalid-literal", r"`\ud800` is not a Unicode character", r"\ud800"),
        ("if", "reserved-word", "`if` is a reserved word of CEL and cannot be a name", "if"),
        ("a.in", "reserved-word", "`in` cannot follow a dot", "in"),
        ("1u", "expression-unsupported", "unsigned numbers are not in this subset of CEL", "1u"),
        ('b"a"', "expression-unsupported", "bytes are not in this subset of CEL", 'b"a"'),
        ("a.?b", "expression-unsupported", "optional values (`?`) are not in this subset of CEL", "?"),
        ("a[?b]", "expression-unsupported", "optional values (`?`) are not in this subset of CEL", "?"),
        ("[?a]", "expression-unsupported", "optional values (`?`) are not in this subset of CEL", "?"),
        ("{?a: 1}", "expression-unsupported", "optional values (`?`) are not in this subset of CEL", "?"),
        ("a.B{c: 1}", "expression-unsupported", "messages cannot be built in this subset of CEL", "a.B{"),
        (".a", "expression-unsupported", "a name cannot start with a dot", "."),
        ("a.all(i, x, i < x)", "expression-unsupported", TWO_VARIABLES, None),
        ("a.transformList(i, x, x)", "expression-unsupported", TWO_VARIABLES, None),
        ("a.all(x.y, x)", "macro-variable", "the first argument of `all` is a new variable name", "x.y"),
        ("has(a)", "has-argument", "`has` takes one argument that ends in a field", "a"),
        ('has(a["b"])', "has-argument", "`has` takes one argument that ends in a field", 'a["b"]'),
        ("has(a.b, c)", "has-argument", "`has` takes one argument that ends in a field", "has(a.b, c)"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_named_at_its_place(text, name, message, marked):
    assert faults_of(text) == [(name, message, text if marked is None else marked)]


def test_faults_that_do_not_stop_the_reader_are_reported_together():
    found = faults_of(r'1u + if + "\q" + has(a) + b"x" + )')
    assert [name for name, _, _ in found] == [
        "expression-unsupported",
        "reserved-word",
        "invalid-literal",
        "has-argument",
        "expression-unsupported",
        "expression-syntax",
    ]


@pytest.mark.parametrize("text", ["a & b", "a = b", "a and b", "not a", "1u", 'b"x" + "y"'])
def test_a_suggested_edit_mends_the_syntax(text):
    while True:
        try:
            cel.parse(text)
        except cel.SyntaxFault as fault:
            edit = fault.diagnostics[0].edit
            assert edit is not None
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        else:
            break


@pytest.mark.parametrize("opening", ["(", "[", "-(", "f(", "a[", "a.map(x, ", '{"a": ', "a ? b : ", "!(", "a.f("])
def test_nesting_is_bounded_and_never_a_recursion_error(opening):
    assert [name for name, _, _ in faults_of(opening * 5000)[-1:]] in (["expression-too-deep"], ["expression-too-long"])
    assert faults_of(opening * 100)[-1][0] == "expression-too-deep"


def test_rows_of_operators_are_bounded_in_height_but_rows_of_conditions_are_not():
    cel.parse(" + ".join(["1"] * cel.MAX_DEPTH))
    assert faults_of(" + ".join(["1"] * (cel.MAX_DEPTH + 1)))[0][0] == "expression-too-deep"
    row = " && ".join(["a"] * 2000)
    assert cel.evaluate(cel.parse(row), {"a": True}) is True
    assert cel.check(cel.parse(row), {"a": cel.BOOL}).diagnostics == ()


def test_depth_counts_what_is_nested_most():
    for text in ("(" * 63 + "1" + ")" * 63, "a" + ".b" * 63, "a ? b : " * 63 + "c", "[" * 63 + "]" * 63):
        cel.parse(text)
    for text in ("(" * 64 + "1" + ")" * 64, "a" + ".b" * 64, "a ? b : " * 64 + "c", "[" * 65 + "]" * 65):
        assert faults_of(text)[0][0] == "expression-too-deep"


@pytest.mark.parametrize("digits", [20, 4301, 19_000])
def test_numbers_of_any_length_are_read_or_refused(digits):
    assert faults_of("9" * digits) == [("invalid-literal", "this number does not fit into 64 bits", "9" * digits)]
    assert faults_of("0x" + "f" * digits)[0][0] == "invalid-literal"
    assert cel.evaluate(cel.parse("-" + "0" * digits + "7"), {}) == -7
    assert cel.evaluate(cel.parse("0x" + "0" * digits + "7"), {}) == 7
    huge = '"' + "9" * digits + '"'
    with pytest.raises(cel.EvaluationError):
        cel.evaluate(cel.parse(f"int({huge})"), {})


def test_length_is_bounded():
    cel.parse("1" + " " * (cel.MAX_LENGTH - 1))
    assert faults_of("1" + " " * cel.MAX_LENGTH)[0][0] == "expression-too-long"


@given(st.text(alphabet=st.sampled_from(list("ab1.\"'\\ur(){}[],:?&|!=<>+-*/%`$ \n\t#@éx0e_in")), max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_an_expression_or_a_fault_inside_the_text(text):
    try:
        expr = cel.parse(text)
    except cel.SyntaxFault as fault:
        for diagnostic in fault.diagnostics:
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
            assert diagnostic.name in cel.FAULTS
    else:
        assert cel.write(cel.parse(cel.write(expr))) == cel.write(expr)


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_string_can_be_written_as_a_constant(value):
    escaped = "".join(f"\\U{ord(character):08x}" for character in value)
    assert cel.evaluate(cel.parse(f'"{escaped}"'), {}) == value


def test_constants_that_python_holds_equal_are_different_expressions():
    texts = ["0x1", "001", "1.0", "1e0"]
    assert len({cel.parse(text) for text in texts}) == len(texts)
    assert cel.parse("-0.0") != cel.parse("00.0")


def test_line_breaks_inside_a_string_are_line_feeds():
    assert cel.evaluate(cel.parse('"""a\r\nb\rc"""'), {}) == "a\nb\nc"
