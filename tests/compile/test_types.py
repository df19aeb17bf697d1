"""Every expression fits its place, and every schema makes sense, before anything runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from somagent.capsule_compiler.environment import type_of_schema
from somagent.capsule_compiler.value_types import circles
from somagent.governance.cel import DYN, INT, STRING, ListType, MapType, ObjectType
from somagent.workflows.inputs import InputsRefused, accept_inputs

Mistakes = Callable[..., list[tuple[str, str]]]

SCOPE = """\
  inputs:
    text: { type: string }
    count: { type: integer }
    ratio: { type: number }
    flag: { type: boolean }
    texts: { type: array, maxItems: 9, items: { type: string } }
    open: { type: object }
    thing: { $ref: "#/types/Thing" }
  types:
    Thing: { type: object, required: [name, size], properties: { name: { type: string }, size: { type: integer } } }
  steps:
    made:
      script: { run: a }
      outputs: { file: { type: artifact, path: a }, total: { type: integer } }
    many:
      forEach: ${{ inputs.texts }}
      script: { run: a, env: { T: "${{ item }}" } }
      outputs: { total: { type: integer } }
"""


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("{ if: inputs.flag, script: { run: a } }", None),
        ("{ if: inputs.count, script: { run: a } }", "type-mismatch"),
        ("{ if: 'inputs.flag && inputs.count', script: { run: a } }", "no-matching-overload"),
        ("{ require: inputs.text, script: { run: a } }", "type-mismatch"),
        ("{ if: inputs.open.anything, script: { run: a } }", None),
        ("{ forEach: '${{ inputs.texts }}', script: { run: a } }", None),
        ("{ forEach: '${{ inputs.open.list }}', script: { run: a } }", "unbounded-fan-out"),
        ("{ forEach: '${{ steps.many }}', script: { run: a, env: { T: '${{ item.total + 1 }}' } } }", None),
        ("{ forEach: '${{ inputs.text }}', script: { run: a } }", "for-each-not-a-list"),
        ("{ forEach: '${{ inputs.open }}', script: { run: a } }", "for-each-not-a-list"),
        ("{ forEach: inputs.texts, script: { run: a } }", "for-each-not-a-list"),
        ("{ forEach: 'a ${{ inputs.texts }}', script: { run: a } }", "for-each-not-a-list"),
        ("{ forEach: '${{ inputs.texts }}${{ inputs.texts }}', script: { run: a } }", "for-each-not-a-list"),
        ("{ forEach: '  ${{ inputs.texts }}  ', script: { run: a } }", None),
        ("{ script: { run: a, env: { A: '${{ inputs.count + inputs.ratio }}' } } }", "no-matching-overload"),
        ("{ script: { run: a, env: { A: '${{ double(inputs.count) + inputs.ratio }}' } } }", None),
        ("{ script: { run: a, env: { A: '${{ inputs.thing }}' } } }", None),
        ("{ script: { run: a, env: { A: '${{ inputs.thing.name }} ${{ inputs.thing.size }}' } } }", None),
        ("{ script: { run: a, env: '${{ inputs.open }}' } }", None),
        ("{ script: { run: a, env: '${{ inputs.thing }}' } }", None),
        ("{ script: { run: a, env: '${{ inputs.count }}' } }", "type-mismatch"),
        ("{ script: { run: a, env: { A: '${{ steps.made.file }}' } } }", None),
        ("{ script: { run: a, env: { A: 'the ${{ steps.made.file }}' } } }", "artifact-in-text"),
        ("{ script: { run: a, env: { A: '${{ [steps.made.file] }}' } } }", None),
        ("{ script: { run: a, env: { A: '${{ steps.many.map(m, m.total) }}' } } }", None),
        ("{ script: { run: a, env: { A: '${{ steps.many.total }}' } } }", "unknown-member"),
        ("{ script: { run: a, env: { A: '${{ steps.many[0].totl }}' } } }", "unknown-output"),
        ("{ script: { run: a, env: { A: '${{ steps.made.total.x }}' } } }", "unknown-member"),
        ("{ bundle: { name: a, include: ['${{ steps.made.file }}'] } }", None),
        ("{ bundle: { name: a, include: '${{ [steps.made.file] }}' } }", None),
        ("{ bundle: { name: a, include: ['${{ inputs.text }}'] } }", "type-mismatch"),
        ("{ bundle: { name: a, include: ['a ${{ inputs.text }}'] } }", "type-mismatch"),
        ("{ bundle: { name: a, include: '${{ inputs.texts }}' } }", "type-mismatch"),
        ("{ bundle: { name: a, include: [report.html] } }", "wrong-type"),
        ("{ bundle: { name: '${{ inputs.count }}', include: ['${{ steps.made.file }}'] } }", "type-mismatch"),
        ("{ bundle: { name: 'a-${{ inputs.count }}', include: ['${{ steps.made.file }}'] } }", None),
        ("{ review: { title: a, reviewers: { count: '${{ inputs.count }}' } } }", None),
        ("{ review: { title: a, reviewers: { count: '${{ inputs.ratio }}' } } }", "type-mismatch"),
        ("{ review: { title: a, reviewers: { count: '1${{ inputs.count }}' } } }", "type-mismatch"),
        ("{ review: { title: a, reviewers: { users: '${{ inputs.texts }}' } } }", None),
        ("{ review: { title: a, reviewers: { users: ['${{ inputs.flag }}'] } } }", "type-mismatch"),
        ("{ review: { title: a, reviewers: { notSubmitter: '${{ inputs.flag }}' } } }", None),
        ("{ review: { title: a, show: [\"'steps'\", '${{ inputs.thing }}', '${{ steps.many }}'] } }", None),
        ("{ operator: { name: review, with: { title: '${{ inputs.count }}' } } }", "type-mismatch"),
    ],
)
def test_an_expression_fits_its_place(step: str, found: str | None, mistakes: Mistakes) -> None:
    assert [name for name, _ in mistakes(f"{SCOPE}    last: {step}\n")] == ([found] if found else [])


def test_a_block_scalar_ends_with_a_line_break_and_is_text_then(compiled: Callable[..., Any]) -> None:
    head = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: a }\nspec:\n" + SCOPE
    review = "    last:\n      review:\n        title: a\n        reviewers:\n          count: "
    hole = "\n            ${{ inputs.count }}\n"
    (mistake,) = compiled(head + review + ">" + hole).diagnostics
    assert "`|-`" in mistake.help
    assert compiled(head + review + ">-" + hole).diagnostics == ()


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ("{ type: integer, minimum: 1, maximum: 1 }", None),
        ("{ type: integer, minimum: 2, maximum: 1 }", ("empty-range", "1")),
        ("{ type: string, minLength: 2, maxLength: 1 }", ("empty-range", "1")),
        ("{ type: string, minimum: 2 }", ("keyword-of-other-type", "minimum")),
        ("{ type: string, path: a }", ("keyword-of-other-type", "path")),
        ("{ type: array, properties: {} }", ("keyword-of-other-type", "properties")),
        ("{ $ref: '#/types/T', description: d }", None),
        ("{ $ref: '#/types/T', default: a }", None),
        ("{ $ref: '#/types/T', default: 3 }", ("value-against-schema", "3")),
        ("{ $ref: '#/types/T', enum: [a] }", ("keyword-beside-ref", "enum")),
        ("{ description: d }", ("schema-without-type", "x")),
        ("{ type: object, required: [a] }", None),
        ("{ type: object, required: [a], properties: { a: { type: string } } }", None),
        ("{ type: object, required: [a, b], properties: { a: { type: string } } }", ("required-unknown", "b")),
        ("{ type: array, maxItems: 9, items: { type: artifact } }", ("artifact-inside-value", "artifact")),
        ("{ type: object, properties: { a: { type: artifact } } }", ("artifact-inside-value", "artifact")),
        ("{ type: string, pattern: '^(a|b)$' }", None),
        ("{ type: string, pattern: '(' }", ("bad-pattern", "(")),
        ("{ type: string, pattern: 'a\\Z' }", ("bad-pattern", "\\Z")),
        ("{ type: string, pattern: 'a{99999999999}' }", ("bad-pattern", "'a{99999999999}'")),
        ("{ type: integer, default: 3 }", None),
        ("{ type: integer, default: 3.5 }", ("value-against-schema", "3.5")),
        ("{ type: integer, default: true }", ("value-against-schema", "true")),
        ("{ type: number, default: 3 }", None),
        ("{ type: boolean, default: 1 }", ("value-against-schema", "1")),
        ("{ type: string, default: null }", ("value-against-schema", "null")),
        ("{ type: integer, enum: [1, 2], default: 3 }", ("value-against-schema", "3")),
        ("{ type: boolean, enum: [true], default: true }", None),
        ("{ type: string, enum: [a, 2] }", ("value-against-schema", "2")),
        ("{ type: string, maxLength: 2, default: abc }", ("value-against-schema", "abc")),
        ("{ type: array, maxItems: 9, items: { type: integer }, default: [1, x] }", ("value-against-schema", "[1, x]")),
        ("{ type: array, maxItems: 9, items: { $ref: '#/types/T' }, default: [1] }", ("value-against-schema", "[1]")),
        ("{ type: array, maxItems: 1, default: [1, 2] }", ("value-against-schema", "[1, 2]")),
        ("{ type: object, additionalProperties: false, default: { a: 1 } }", ("value-against-schema", "{ a: 1 }")),
        (
            "{ type: object, required: [a], properties: { a: { type: string } }, default: {} }",
            ("value-against-schema", "{}"),
        ),
    ],
)
def test_a_schema_makes_sense_in_itself(schema: str, found: tuple[str, str] | None, mistakes: Mistakes) -> None:
    spec = f"  types: {{ T: {{ type: string }} }}\n  inputs: {{ x: {schema} }}\n"
    spec += "  steps: { a: { script: { run: b } } }\n"
    assert mistakes(spec) == ([found] if found else [])


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ("A: { $ref: '#/types/A' }", ["A"]),
        ("A: { $ref: '#/types/B' }, B: { $ref: '#/types/A' }", ["A"]),
        ("A: { type: object, properties: { a: { $ref: '#/types/A' } } }", []),
        ("A: { type: object, required: [a], properties: { a: { $ref: '#/types/A' } } }", ["A"]),
        ("A: { type: array, maxItems: 9, items: { $ref: '#/types/A' } }", []),
        ("A: { type: array, minItems: 1, items: { $ref: '#/types/A' } }", ["A"]),
        (
            "A: { $ref: '#/types/B' }, B: { type: array, minItems: 1, items: { $ref: '#/types/A' } }",
            ["A"],
        ),
    ],
)
def test_a_type_whose_values_never_end_is_refused(types: str, found: list[str], mistakes: Mistakes) -> None:
    spec = f"  types: {{ {types} }}\n  steps: {{ a: {{ script: {{ run: b }} }} }}\n"
    assert mistakes(spec) == [("endless-type", name) for name in found]


def test_a_type_that_holds_itself_is_itself_inside_wherever_one_begins() -> None:
    types = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/types/B"}, "n": {"type": "integer"}}},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/types/A"}}},
        "C": {"type": "array", "items": {"$ref": "#/types/A"}},
    }
    of_a = type_of_schema({"$ref": "#/types/A"}, types)
    of_c = type_of_schema({"$ref": "#/types/C"}, types)
    assert isinstance(of_a, ObjectType)
    of_b = of_a.fields["b"].type
    assert isinstance(of_b, ObjectType)
    assert of_b.fields["a"].type == of_a
    assert of_a.fields["n"].type == INT
    assert of_c == ListType(of_a)


def test_what_a_schema_leaves_open_is_dyn() -> None:
    assert type_of_schema({}, {}) == DYN
    assert type_of_schema({"type": "array"}, {}) == ListType(DYN)
    assert type_of_schema({"type": "object"}, {}) == MapType(STRING, DYN)
    assert type_of_schema({"$ref": "#/types/None"}, {}) == DYN


def test_circles_come_after_what_they_lead_to() -> None:
    graph = {"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": [], "e": ["e", "a"]}
    assert [sorted(circle) for circle in circles(graph)] == [["d"], ["b", "c"], ["a"], ["e"]]


@pytest.mark.parametrize(
    ("budgets", "found"),
    [
        (("3.00 USD", "3.00 USD", "1.00 USD"), []),
        (("1.00 USD", "2.00 EUR", "3.00 CHF"), ["2.00 EUR", "3.00 CHF"]),
    ],
)
def test_a_capsule_has_one_currency(budgets: tuple[str, ...], found: list[str], mistakes: Mistakes) -> None:
    whole, one, two = budgets
    spec = f"""\
  budget: {{ cost: {whole} }}
  steps:
    a: {{ script: {{ run: b }}, budget: {{ cost: {one} }} }}
    b: {{ script: {{ run: b }}, budget: {{ cost: {two} }} }}
"""
    assert mistakes(spec) == [("other-currency", amount) for amount in found]


@pytest.mark.parametrize(
    ("own", "all_items", "found"),
    [
        ("tokens: 10k, wallClock: 1h", "tokens: 10k", []),
        ("tokens: 10.001k", "tokens: 10k", ["10.001k"]),
        ("tokens: 11k", "tokens: 20k", []),
        ("tokens: 30k", "tokens: 21k", ["30k", "21k"]),
        ("wallClock: 61m, cost: 1.000001 USD", "wallClock: 5m", ["61m", "1.000001 USD"]),
    ],
)
def test_a_budget_inside_a_smaller_one_is_out_of_reach(
    own: str, all_items: str, found: list[str], mistakes: Mistakes
) -> None:
    spec = f"""\
  budget: {{ tokens: 20k, cost: 1.00 USD, wallClock: 1h }}
  steps:
    a:
      forEach: "${{{{ ['a'] }}}}"
      script: {{ run: b }}
      budget: {{ {own} }}
      totalBudget: {{ {all_items} }}
"""
    assert mistakes(spec) == [("budget-out-of-reach", amount) for amount in found]


def test_the_outputs_of_a_capsule_come_from_its_steps(mistakes: Mistakes) -> None:
    outputs = """\
  outputs:
    a: ${{ steps.made.total }}
    b: constant
    c: $${{ braces }}
    d: "text ${{ steps.made.total }}"
    e: "text ${{ steps.made.file }}"
    f: ${{ steps.made.file }}
    g: ${{ inputs.text }}
"""
    assert mistakes(SCOPE + outputs) == [
        ("constant-output", "constant"),
        ("constant-output", "$${{ braces }}"),
        ("artifact-in-text", "steps.made.file"),
    ]


def test_a_value_that_attacks_a_pattern_of_a_schema_is_refused_in_time(planned, tmp_path):
    plan = planned(
        "  inputs: { a: { type: string, pattern: '^(a+)+$' } }\n  steps: { s: { script: { run: 'true' } } }\n"
    )
    start = time.process_time()
    with pytest.raises(InputsRefused):
        accept_inputs(plan, {"a": "a" * 100_000 + "!"}, tmp_path)
    assert time.process_time() - start < 1


TREE = """\
  inputs: { tree: { $ref: "#/types/Tree" }, other: { $ref: "#/types/Same" } }
  types:
    Tree: { type: object, required: [size, kids], properties: { size: { type: integer }, kids: { type: array, items: { $ref: "#/types/Tree" } } } }
    Same: { type: object, required: [size, kids], properties: { size: { type: integer }, kids: { type: array, items: { $ref: "#/types/Same" } } } }
  steps: { a: { if: "GUARD", script: { run: b } } }
"""  # noqa: E501 - one type a line


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("inputs.tree.kids[0].kids[0].kids[0].size > 1", []),
        ("inputs.tree.kids[0].kids[0].kids[0].szie > 1", ["unknown-member"]),
        ("inputs.tree.kids.exists(k, k.kids.exists(l, l.size == 'x'))", ["no-matching-overload"]),
        ("inputs.tree == inputs.tree.kids[0]", []),
        ("inputs.tree == inputs.other.kids[0]", []),
        ("inputs.tree == inputs.other.kids[0].size", ["no-matching-overload"]),
    ],
)
def test_a_type_that_holds_itself_is_checked_however_deep_it_is_read(
    guard: str, found: list[str], mistakes: Mistakes
) -> None:
    assert [name for name, _ in mistakes(TREE.replace("GUARD", guard))] == found


def test_types_that_name_each_other_twice_are_walked_through_once(mistakes: Mistakes) -> None:
    def chain(letter: str) -> str:
        inner = [f'{{ $ref: "#/types/{letter}{number + 1}" }}' for number in range(60)]
        links = [
            f"    {letter}{number}: {{ type: object, required: [a, b], properties: {{ a: {one}, b: {one} }} }}\n"
            for number, one in enumerate(inner)
        ]
        return "".join(links) + f"    {letter}60: {{ type: string, enum: [x, z] }}\n"

    spec = f"""\
  inputs: {{ one: {{ $ref: "#/types/T0" }}, other: {{ $ref: "#/types/U0" }} }}
  types:
{chain("T")}{chain("U")}  steps:
    a: {{ if: inputs.one.a == inputs.other.a && inputs.one == inputs.other, script: {{ run: b }} }}
  outputs: {{ one: "${{{{ inputs.one }}}}", in_two: "${{{{ [inputs.one.a, inputs.other.b] }}}}" }}
"""
    assert mistakes(spec) == []
