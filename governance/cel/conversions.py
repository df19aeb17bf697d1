"""`int`, `double`, `string`, `bool` and the text forms of numbers, as the official implementation has them."""

from __future__ import annotations

import math
import re

from somagent.governance.cel.literals import INT_MAX, INT_MIN
from somagent.governance.cel.values import Value, ValueFault, quoted, type_name

_BLANKS = " \t\n\v\f\r"
_INT = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_HEX = re.compile(r"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE)
_TRUE = frozenset({"1", "t", "true", "True", "TRUE"})
_FALSE = frozenset({"0", "f", "false", "False", "FALSE"})
_LONGEST_INT = 40
_LONGEST_DOUBLE = 1000


def to_int(value: Value) -> int:
    """A double is cut toward zero; a string is a decimal int64, blanks around it allowed."""
    if type(value) is int:
        return value
    if type(value) is float:
        if INT_MIN < value < INT_MAX:
            return int(value)
        raise ValueFault("this double does not fit into a 64-bit int")
    if type(value) is str:
        text = value.strip(_BLANKS)
        digits = text.lstrip("+-0")
        if _INT.fullmatch(text) and len(digits) <= _LONGEST_INT:
            number = int(text[0] + digits if text[0] == "-" and digits else digits or "0")
            if INT_MIN <= number <= INT_MAX:
                return number
        raise ValueFault(f"{quoted(value)} is not a 64-bit int")
    raise ValueFault(f"int(...) cannot take {type_name(value)}")


def to_double(value: Value) -> float:
    """An int is rounded; a string is a decimal or hexadecimal number, `inf` or `nan`, blanks around it allowed."""
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is str:
        text = value.strip(_BLANKS)
        if len(text) <= _LONGEST_DOUBLE:
            if _DOUBLE.fullmatch(text):
                return float(text)
            if _HEX.fullmatch(text):
                return _from_hex(text)
        raise ValueFault(f"{quoted(value)} is not a number")
    raise ValueFault(f"double(...) cannot take {type_name(value)}")


def _from_hex(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return -math.inf if text.startswith("-") else math.inf


def to_bool(value: Value) -> bool:
    """A string is one of the spellings `true True TRUE t 1` or `false False FALSE f 0`."""
    if type(value) is bool:
        return value
    if type(value) is str:
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise ValueFault(f"{quoted(value)} is neither true nor false")
    raise ValueFault(f"bool(...) cannot take {type_name(value)}")


def to_string(value: Value) -> str:
    """Numbers by their shortest digits that read back the same."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return double_text(value)
    raise ValueFault(f"string(...) cannot take {type_name(value)}")


def double_text(value: float) -> str:
    """`string(double)` of the official implementation: shortest digits, exponent outside 1e-4 <= |x| < 1e6.

    Not a number is `nan` here whatever its sign bit, which differs between processors.
    """
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    sign, digits, exponent = shortest(value)
    if -4 <= exponent < 6:
        return sign + plain(digits, exponent)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def json_text(value: float) -> str:
    """The number as RFC 8785 (ECMAScript) writes it; the value is finite."""
    sign, digits, exponent = shortest(value)
    if digits == "0":
        return "0"
    if -7 < exponent < 21:
        return sign + plain(digits, exponent)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent)}"


def shortest(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits and exponent of a finite double: 0.00125 is ("", "125", -3)."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return sign, "0", 0
    leading = len(whole + fraction) - len(digits)
    return sign, digits.rstrip("0"), len(whole) - leading - 1 + int(exponent or 0)


def plain(digits: str, exponent: int) -> str:
    """Digits with the point where the exponent puts it."""
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if len(digits) <= exponent + 1:
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"
