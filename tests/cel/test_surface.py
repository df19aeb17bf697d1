"""The public face: what is exported exists, every fault can happen, every documented line is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from somagent.governance import cel
from somagent.governance.documents import Diagnostic

PAGE = Path(__file__).parents[2] / "docs" / "expressions.md"
PRODUCES = {
    "empty-expression": "",
    "empty-hole": "${{ }}",
    "expression-syntax": "1 +",
    "expression-too-deep": "(" * 100,
    "expression-too-long": "1" * 30_000,
    "expression-unsupported": "1u",
    "has-argument": "has(a)",
    "invalid-literal": r'"\q"',
    "invalid-pattern": 'matches("a", "(")',
    "macro-variable": "[1].map(1, 2)",
    "map-key": "{1.5: 1}",
    "no-matching-overload": "1 + 1.0",
    "never-equal": 'o.e == "b"',
    "reserved-word": "if",
    "type-mismatch": "1",
    "unclosed-hole": "${{ a",
    "unknown-member": "o.y",
    "unknown-function": "f()",
    "unknown-name": "y",
}


def test_what_is_exported_is_there_and_sorted():
    constants = [name for name in cel.__all__ if name.isupper()]
    classes = [name for name in cel.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in cel.__all__ if name.islower()]
    assert cel.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
    assert all(hasattr(cel, name) for name in cel.__all__)


def diagnostics_of(text: str) -> tuple[Diagnostic, ...]:
    scope = {"o": cel.ObjectType({"x": cel.Field(cel.INT), "e": cel.Field(cel.SimpleType("string", ("a",)))})}
    try:
        expr = cel.parse_template(text).holes[0].expr if "${{" in text else cel.parse(text)
    except cel.SyntaxFault as fault:
        return fault.diagnostics
    return cel.check(expr, scope, wanted=cel.STRING).diagnostics


def test_every_fault_is_really_produced():
    assert set(PRODUCES) == cel.FAULTS
    for name, text in PRODUCES.items():
        assert name in {diagnostic.name for diagnostic in diagnostics_of(text)}, name


def test_an_object_brings_the_name_of_its_own_fault():
    step = cel.ObjectType({}, "step `test`", "output", "unknown-output")
    (fault,) = cel.check(cel.parse("step.x"), {"step": step}).diagnostics
    assert (fault.name, fault.message) == ("unknown-output", "step `test` has no output `x`")


def test_importing_the_language_needs_nothing_heavy():
    code = "import sys, somagent.governance.cel; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncio", "json", "hypothesis", "jsonschema_rs", "re2", "rich", "sqlite3"} & set(loaded)


def documented(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


BINDINGS = json.loads(documented("json")[0])
MODULE = cel.ObjectType({"name": cel.Field(cel.STRING), "lines": cel.Field(cel.INT, required=False)})
OUTPUTS = {"risk": cel.INT, "coverage": cel.DOUBLE, "modules": cel.ListType(MODULE), "data": cel.DYN}
PLAN = cel.ObjectType({name: cel.Field(type_) for name, type_ in OUTPUTS.items()}, "step `plan`", "output")
LIMITS = cel.MapType(cel.STRING, cel.INT)
SCOPE: dict[str, cel.Type] = {
    "inputs": cel.ObjectType({"language": cel.Field(cel.STRING), "limits": cel.Field(LIMITS)}),
    "steps": cel.ObjectType({"plan": cel.Field(PLAN)}, "this capsule", "step"),
}


def bindings() -> dict[str, cel.Value]:
    return {name: cel.from_json(value, SCOPE[name]) for name, value in BINDINGS.items()}


def lines_of(language: str) -> list[tuple[str, str]]:
    pairs = [line.rsplit("  // ", 1) for block in documented(language) for line in block.splitlines() if line.strip()]
    return [(text.strip(), comment.strip()) for text, comment in pairs]


def test_the_page_opens_with_the_truth():
    assert PAGE.read_text("utf-8").splitlines()[2].startswith("> Truth only: no mocks")


@pytest.mark.parametrize(("text", "value"), lines_of("cel"))
def test_a_documented_expression_has_the_documented_value(text, value):
    expr = cel.parse(text)
    assert cel.check(expr, SCOPE).diagnostics == ()
    if value.startswith("error: "):
        with pytest.raises(cel.EvaluationError) as caught:
            cel.evaluate(expr, bindings())
        assert caught.value.message == value.removeprefix("error: ")
    else:
        expected = cel.evaluate(cel.parse(value), {})
        found = cel.evaluate(expr, bindings())
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(("text", "message"), lines_of("refused"))
def test_a_documented_refusal_says_what_is_documented(text, message):
    try:
        diagnostics = cel.check(cel.parse(text), SCOPE).diagnostics
    except cel.SyntaxFault as fault:
        diagnostics = fault.diagnostics
    assert [diagnostic.message for diagnostic in diagnostics] == [message]


@pytest.mark.parametrize(("text", "rendered"), lines_of("template"))
def test_a_documented_text_is_filled_in_as_documented(text, rendered):
    template = cel.parse_template(text)
    values = [part if isinstance(part, str) else cel.evaluate(part.expr, bindings()) for part in template.parts]
    assert "".join(map(cel.render_text, values)) == rendered


def test_every_operator_function_and_macro_is_on_the_page():
    page = PAGE.read_text("utf-8")
    words = ["has", "size", "startsWith", "endsWith", "contains", "matches", "int", "double", "string", "bool", "dyn"]
    words += ["all", "exists", "exists_one", "filter", "map"]
    for word in words:
        assert re.search(rf"`[^`]*\b{word}\(", page), word
    for operator in ("!", "-", "*", "/", "%", "+", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "? :"):
        assert f"`{operator}`" in page, operator
