"""What operators and functions do with values, exactly as CEL says; where CEL has an error, a `ValueFault`.

A value is a Python bool, int (64 bit), float, str, None, list or dict, or an opaque value: a frozen `Struct`, which is
passed on and compared, and has no parts here. Python holds `True == 1 == 1.0`; CEL does not: a bool equals
only a bool, and an int equals a double when the int, rounded to a double, is that double (so in both official
implementations and in the conformance tests, `not_lt_dyn_int_big_lossy_double`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, Union

from msgspec import Struct

from somagent.governance.cel.literals import INT_MIN

_SHORT = 64
Key: TypeAlias = bool | int | str
Value: TypeAlias = Union[  # noqa: UP007 - a string cannot be `|`ed
    Key, float, list["Value"], dict[Key, "Value"], Struct, None
]


class ValueFault(Exception):
    """An operation has no value for these operands. The evaluator adds the place."""


_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    type(None): "null",
    list: "list",
    dict: "map",
}


def type_name(value: Value) -> str:
    """The CEL type of a value, for messages."""
    return _NAMES.get(type(value)) or type(value).__name__.lower()


Spend: TypeAlias = Callable[[int], None]


def equal(a: Value, b: Value, spend: Spend) -> bool:
    """CEL's `==`: numbers by value whatever their type, lists and maps by content, other types never equal.

    `spend` is told of every item compared.
    """
    if type(a) is type(b):
        if type(a) is list and type(b) is list:
            if len(a) != len(b):
                return False
            spend(len(a))
            return all(equal(x, y, spend) for x, y in zip(a, b, strict=True))
        if type(a) is dict and type(b) is dict:
            if len(a) != len(b):
                return False
            spend(len(a))
            return all(has_key(b, key) and equal(x, b[key], spend) for key, x in a.items())
        if type(a) is str and type(b) is str and len(a) == len(b) > _SHORT:
            spend(len(a) >> 6)
        return a == b
    if type(a) is int and type(b) is float:
        return float(a) == b
    if type(a) is float and type(b) is int:
        return a == float(b)
    return False


def has_key(mapping: dict[Key, Value], key: Key) -> bool:
    """Whether the map has this very key: `true` is not 1."""
    if key not in mapping:
        return False
    if type(key) is str or (type(key) is int and key not in (0, 1)):
        return True
    return any(type(stored) is type(key) for stored in mapping if stored == key)


def as_key(value: Value) -> Key | None:
    """The map key that a value asks for: a whole double asks for the int; None when no map can have such a key."""
    if type(value) is str or type(value) is int or type(value) is bool:
        return value
    if type(value) is float:
        whole = value.is_integer() and INT_MIN <= value < -float(INT_MIN)
        return int(value) if whole else None
    raise ValueFault(f"{type_name(value)} cannot be the key of a map")


def contains(item: Value, container: Value, spend: Spend) -> bool:
    """CEL's `in`: an item of a list, a key of a map."""
    if type(container) is list:
        spend(len(container))
        if type(item) is str:  # equal to strings only, in Python as in CEL
            return item in container
        return any(equal(item, other, spend) for other in container)
    if type(container) is dict:
        key = as_key(item)
        return key is not None and has_key(container, key)
    raise ValueFault(f"`in` looks in a list or a map, not in {type_name(container)}")


def index(operand: Value, key: Value) -> Value:
    """`operand[key]`; negative and too large indices and missing keys are faults."""
    if type(operand) is dict:
        wanted = as_key(key)
        if wanted is None or not has_key(operand, wanted):
            raise ValueFault(f"there is no key {quoted(key)}")
        return operand[wanted]
    if type(operand) is list:
        return operand[_position(operand, key)]
    raise ValueFault(f"{type_name(operand)} cannot be indexed")


def _position(operand: list[Value], key: Value) -> int:
    if type(key) is float and key.is_integer():
        position = int(key)
    elif type(key) is int:
        position = key
    else:
        raise ValueFault(f"a list is indexed by int, not {type_name(key)}")
    if not 0 <= position < len(operand):
        raise ValueFault(f"there is no item {position}: the list has {len(operand)}")
    return position


def field(operand: Value, name: str) -> Value:
    """`operand.name`."""
    if type(operand) is not dict:
        raise ValueFault(f"{type_name(operand)} has no field `{name}`")
    try:
        return operand[name]
    except KeyError:
        raise ValueFault(f"there is no field `{name}`") from None


def has_field(operand: Value, name: str) -> bool:
    """`has(operand.name)`."""
    if type(operand) is not dict:
        raise ValueFault(f"{type_name(operand)} has no fields")
    return name in operand


def keys(operand: Value) -> list[Value]:
    """What a macro walks over: a list's items, or a map's keys in one order everywhere (false, true, ints, strings)."""
    if type(operand) is list:
        return operand
    if type(operand) is dict:
        return [*sorted(operand, key=_key_order)]
    raise ValueFault(f"a macro works on a list or a map, not on {type_name(operand)}")


def _key_order(key: Key) -> tuple[int, int, str]:
    return (2, 0, key) if type(key) is str else (0 if type(key) is bool else 1, int(key), "")


def quoted(value: Value) -> str:
    """A short value as a message shows it."""
    if type(value) is str:
        return '"' + (value if len(value) <= 40 else value[:37] + "...") + '"'
    return str(value).lower() if isinstance(value, bool | None) else str(value)
