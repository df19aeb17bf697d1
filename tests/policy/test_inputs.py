"""What a policy step hands over is what the constitution declares, or there is no verdict at all."""

from collections.abc import Callable
from typing import Any

import pytest

from somagent.governance.constitution import Circumstances, Constitution, InputRefused, judge_input

Make = Callable[..., Constitution]
HERE = Circumstances(step="gate", operator="policy", gate=True, capsule="demo", run="r1", submitter="ana")
ALLOW = [{"id": "all", "effect": "allow", "when": "true", "because": "testing the input only"}]


def refusal(constitution: Constitution, given: dict[str, Any]) -> list[str]:
    with pytest.raises(InputRefused) as refused:
        judge_input(constitution, given, HERE)
    return refused.value.problems


def test_an_attribute_without_a_default_must_be_given(make: Make) -> None:
    constitution = make(ALLOW, input={"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}})
    assert refusal(constitution, {}) == ["`input.a` is missing"]
    assert judge_input(constitution, {"a": 1}, HERE).effect == "allow"


def test_an_unknown_attribute_is_refused_with_the_nearest_one(make: Make) -> None:
    constitution = make(ALLOW, input={"score": {"type": "integer", "default": 1}})
    assert refusal(constitution, {"scor": 1}) == [
        "`input.scor` is not an attribute of this constitution; did you mean `score`?"
    ]


def test_all_problems_of_an_input_are_said_at_once(make: Make) -> None:
    constitution = make(
        ALLOW, input={"a": {"type": "integer"}, "b": {"type": "string", "enum": ["x", "y"]}, "c": {"type": "boolean"}}
    )
    assert refusal(constitution, {"a": "1", "b": "z"}) == [
        "`input.a` must be a whole number, not '1'",
        "`input.b` must be one of x, y, not 'z'",
        "`input.c` is missing",
    ]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"type": "integer"}, True),
        ({"type": "integer"}, 1.5),
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, 1e300),
        ({"type": "number"}, False),
        ({"type": "number"}, float("nan")),
        ({"type": "number"}, float("inf")),
        ({"type": "number"}, 10**400),
        ({"type": "boolean"}, 0),
        ({"type": "string"}, None),
        ({"type": "array"}, "abc"),
        ({"type": "object"}, []),
        ({"type": "integer", "minimum": 0}, -1),
        ({"type": "integer", "maximum": 3}, 4),
        ({"type": "string", "minLength": 1}, ""),
        ({"type": "string", "maxLength": 2}, "abc"),
        ({"type": "array", "minItems": 1}, []),
        ({"type": "array", "maxItems": 1}, [1, 2]),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"b": 1}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "x"}),
        ({"type": "array"}, [object()]),
    ],
)
def test_a_value_outside_the_declaration_gives_no_verdict(make: Make, attribute: dict[str, Any], value: Any) -> None:
    constitution = make(ALLOW, input={"x": attribute})
    (problem,) = refusal(constitution, {"x": value})
    assert problem.startswith("`input.x")


@pytest.mark.parametrize(
    ("attribute", "value", "when"),
    [
        ({"type": "integer"}, 3.0, "input.x / 2 == 1"),
        ({"type": "number"}, 3, "input.x / 2.0 == 1.5"),
        ({"type": "integer"}, -(2**63), "input.x < 0"),
        ({"type": "string", "minLength": 1, "maxLength": 1}, "\U0001f600", "size(input.x) == 1"),
        ({"type": "array", "items": {"type": "number"}}, [1, 2], "input.x.all(n, n * 1.0 > 0.5)"),
        ({"type": "object"}, {"a": {"b": 1}}, "input.x.a.b == 1"),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
            {"a": 1.0},
            "input.x.a == 1 && !has(input.x.b)",
        ),
        (
            {"type": "array", "items": {"type": "object", "properties": {"s": {"type": "string"}}}},
            [{"s": "y"}],
            'input.x.exists(i, i.s == "y")',
        ),
        ({"type": "number", "enum": [1, 2.5]}, 1, "input.x == 1.0"),
    ],
)
def test_a_value_reaches_the_rules_as_its_declared_kind(
    make: Make, attribute: dict[str, Any], value: Any, when: str
) -> None:
    rules = [{"id": "r", "effect": "allow", "when": when, "because": "as declared"}]
    assert judge_input(make(rules, input={"x": attribute}), {"x": value}, HERE).rules == ["r"]


@pytest.mark.parametrize("kind", ["object", "string"])
def test_a_value_without_end_is_refused_in_words(make: Make, kind: str) -> None:
    value: dict[str, Any] = {}
    for _ in range(5000):
        value = {"a": value}
    (problem,) = refusal(make(ALLOW, input={"x": {"type": kind}}), {"x": value})
    assert problem in {"`input.x` is nested too deeply", "`input.x` must be text, not a mapping"}


def test_the_schema_of_the_input_is_closed_at_every_depth(make: Make) -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    constitution = make(input={"list": {"type": "array", "items": inner}, "open": {"type": "object", "default": {}}})
    closed_inner = {**inner, "additionalProperties": False}
    assert constitution.input_schema == {
        "type": "object",
        "properties": {"list": {"type": "array", "items": closed_inner}, "open": {"type": "object", "default": {}}},
        "required": ["list"],
        "additionalProperties": False,
    }
