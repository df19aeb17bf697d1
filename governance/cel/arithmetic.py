"""Arithmetic and order: int64 with overflow as a fault, IEEE 754 doubles, no conversion between the two."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from somagent.governance.cel.literals import INT_MAX, INT_MIN
from somagent.governance.cel.values import Value, ValueFault, type_name

_ORDERED = frozenset({int, str, float, bool})


def _in_range(result: int) -> int:
    if INT_MIN <= result <= INT_MAX:
        return result
    raise ValueFault("the result does not fit into 64 bits")


def _no_match(operator: str, a: Value, b: Value) -> ValueFault:
    return ValueFault(f"`{operator}` cannot take {type_name(a)} and {type_name(b)}")


def add(a: Value, b: Value) -> Value:
    """Sum of ints or doubles; strings and lists one after the other."""
    if type(a) is int and type(b) is int:
        return _in_range(a + b)
    if type(a) is str and type(b) is str:
        return a + b
    if type(a) is float and type(b) is float:
        return a + b
    if type(a) is list and type(b) is list:
        return a + b
    raise _no_match("+", a, b)


def subtract(a: Value, b: Value) -> Value:
    """Difference of ints or doubles."""
    if type(a) is int and type(b) is int:
        return _in_range(a - b)
    if type(a) is float and type(b) is float:
        return a - b
    raise _no_match("-", a, b)


def multiply(a: Value, b: Value) -> Value:
    """Product of ints or doubles."""
    if type(a) is int and type(b) is int:
        return _in_range(a * b)
    if type(a) is float and type(b) is float:
        return a * b
    raise _no_match("*", a, b)


def divide(a: Value, b: Value) -> Value:
    """Quotient: of ints rounded toward zero, of doubles IEEE (x / 0.0 is infinite or not a number)."""
    if type(a) is int and type(b) is int:
        if b == 0:
            raise ValueFault("division by zero")
        quotient = abs(a) // abs(b)
        return _in_range(quotient if (a < 0) == (b < 0) else -quotient)
    if type(a) is float and type(b) is float:
        if b != 0.0:
            return a / b
        if a == 0.0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    raise _no_match("/", a, b)


def remainder(a: Value, b: Value) -> Value:
    """Remainder of ints, with the sign of the dividend."""
    if type(a) is int and type(b) is int:
        if b == 0:
            raise ValueFault("division by zero")
        if a == INT_MIN and b == -1:
            raise ValueFault("the result does not fit into 64 bits")
        return abs(a) % abs(b) if a >= 0 else -(abs(a) % abs(b))
    raise _no_match("%", a, b)


def negate(a: Value) -> Value:
    """`-a`; the smallest int has no opposite."""
    if type(a) is int:
        return _in_range(-a)
    if type(a) is float:
        return -a
    raise ValueFault(f"`-` cannot take {type_name(a)}")


_PYTHON: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def order(operator: str) -> Callable[[Value, Value], bool]:
    """`<`, `<=`, `>` or `>=` over two numbers, two strings (by code point) or two bools."""
    compare = _PYTHON[operator]

    def ordered(a: Value, b: Value) -> bool:
        kind, other = type(a), type(b)
        if kind is other and kind in _ORDERED:
            return compare(a, b)
        if type(a) is int and type(b) is float:
            return compare(float(a), b)
        if type(a) is float and type(b) is int:
            return compare(a, float(b))
        raise _no_match(operator, a, b)

    return ordered


ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}
