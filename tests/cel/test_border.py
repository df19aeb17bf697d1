"""JSON comes in by the declared type and goes out as JSON can hold it."""

from __future__ import annotations

import math

import pytest

from somagent.governance import cel
from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Field,
    ListType,
    MapType,
    ObjectType,
    OpaqueType,
)

POINT = ObjectType({"x": Field(DOUBLE), "n": Field(INT, required=False)})


def exactly(value: object) -> object:
    """A value with the type of every part beside it, since Python holds 1 == 1.0 == True."""
    if isinstance(value, list):
        return [exactly(part) for part in value]
    if isinstance(value, dict):
        return {key: exactly(part) for key, part in value.items()}
    return type(value), value


@pytest.mark.parametrize(
    ("value", "type_", "read"),
    [
        (3, DOUBLE, 3.0),
        (3.0, INT, 3),
        (3.5, DOUBLE, 3.5),
        (-0.0, INT, 0),
        (True, BOOL, True),
        ("a", STRING, "a"),
        (None, NULL, None),
        (1, DYN, 1),
        (1.0, DYN, 1.0),
        (2**63, DYN, float(2**63)),
        ([1, 2.0], ListType(DOUBLE), [1.0, 2.0]),
        ([1, 2.0], ListType(INT), [1, 2]),
        ([1, 2.0, [3]], DYN, [1, 2.0, [3]]),
        ({"a": 1}, MapType(STRING, DOUBLE), {"a": 1.0}),
        ({"x": 1, "n": 2.0, "more": 5}, POINT, {"x": 1.0, "n": 2, "more": 5}),
        ({}, POINT, {}),
        ([{"x": 1}], ListType(POINT), [{"x": 1.0}]),
        ("sha256:00", OpaqueType("artifact"), "sha256:00"),
    ],
)
def test_json_is_read_by_the_declared_type(value, type_, read):
    assert exactly(cel.from_json(value, type_)) == exactly(read)


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        (True, INT, "value: int is wanted, not True"),
        (1, BOOL, "value: bool is wanted, not 1"),
        (1.5, INT, "value: int is wanted, not 1.5"),
        (math.inf, INT, "value: int is wanted, not inf"),
        (2**63, INT, "value: int is wanted, not 9223372036854775808"),
        (10**400, DOUBLE, "value: double is wanted, not 1000000000000000000000000000000000000000"),
        ("1", INT, "value: int is wanted, not '1'"),
        (None, STRING, "value: string is wanted, not None"),
        ([1, "a"], ListType(INT), "value[1]: int is wanted, not 'a'"),
        ({"x": "a"}, POINT, "value.x: double is wanted, not 'a'"),
        ([{"n": None}], ListType(POINT), "value[0].n: int is wanted, not None"),
        ({}, ListType(INT), "value: list(int) is wanted, not dict"),
        ([], MapType(STRING, INT), "value: map(string, int) is wanted, not list"),
        ({1: 2}, DYN, "value: a key of a JSON object is a string, not int"),
        ({"a": b"x"}, DYN, "value.a: bytes is not a JSON value"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(value, type_, message):
    with pytest.raises(cel.BorderError) as caught:
        cel.from_json(value, type_)
    assert str(caught.value) == message


def test_values_go_out_as_json_can_hold_them():
    value = cel.evaluate(cel.parse('{"a": [1, 2.0, null, true], 7: {true: "b"}}'), {})
    assert exactly(cel.to_json(value)) == exactly({"a": [1, 2.0, None, True], "7": {"true": "b"}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1.0, 1.0 / 0.0]", "value[1]: JSON has no inf"),
        ('{"a": 0.0 / 0.0}', "value.a: JSON has no nan"),
        ('{1: "a", "1": "b"}', 'value: two keys of the map are "1" in JSON'),
    ],
)
def test_what_json_has_not_is_refused(text, message):
    with pytest.raises(cel.BorderError) as caught:
        cel.to_json(cel.evaluate(cel.parse(text), {}))
    assert str(caught.value) == message
