"""A syntax tree written as text again, for suggestions that show whole expressions."""

from __future__ import annotations

import re

from somagent.governance.cel.lexer import KEYWORDS
from somagent.governance.cel.syntax import (
    Binary,
    Call,
    Conditional,
    Expr,
    Has,
    Index,
    ListLiteral,
    Literal,
    Macro,
    MapLiteral,
    Name,
    Select,
    Unary,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LEVELS = {"||": 1, "&&": 2, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_UNARY, _MEMBER = 6, 7


def write(expr: Expr) -> str:
    """Text of the same meaning; constants as they were written, the fewest parentheses.

    It parses to the same tree, but for the grouping of rows of `&&` and `||`, which has no meaning.
    """
    return _write(expr, 0)


def write_target(expr: Expr) -> str:
    """Text that can stand before a dot."""
    return _write(expr, _MEMBER)


def _write(expr: Expr, least: int) -> str:
    """Text of `expr`, in parentheses when it binds more loosely than its place wants."""
    text, level = _parts(expr)
    return f"({text})" if level < least else text


def _parts(expr: Expr) -> tuple[str, int]:
    match expr:
        case Literal(value, raw):
            return raw, (_UNARY if raw.startswith("-") and isinstance(value, int | float) else _MEMBER)
        case Name(name):
            return name, _MEMBER
        case Select(operand, field):
            return f"{_write(operand, _MEMBER)}.{write_field(field)}", _MEMBER
        case Has(operand, field):
            return f"has({_write(operand, _MEMBER)}.{write_field(field)})", _MEMBER
        case Index(operand, index):
            return f"{_write(operand, _MEMBER)}[{write(index)}]", _MEMBER
        case Call(function, _, target, arguments):
            prefix = "" if target is None else f"{_write(target, _MEMBER)}."
            return f"{prefix}{function}({', '.join(map(write, arguments))})", _MEMBER
        case ListLiteral(items):
            return f"[{', '.join(map(write, items))}]", _MEMBER
        case MapLiteral(entries):
            return "{" + ", ".join(f"{write(key)}: {write(value)}" for key, value in entries) + "}", _MEMBER
        case Unary(operator, operand):
            return operator + _unary_operand(operand), _UNARY
        case Binary(operator, _, left, right):
            level = _LEVELS.get(operator, 3)
            right_least = level if operator in ("&&", "||") else level + 1
            return f"{_write(left, level)} {operator} {_write(right, right_least)}", level
        case Conditional(condition, yes, no):
            return f"{_write(condition, 1)} ? {_write(yes, 1)} : {write(no)}", 0
        case Macro(macro, _, target, variable, _, condition, body):
            middle = "" if condition is None else f"{write(condition)}, "
            return f"{_write(target, _MEMBER)}.{macro}({variable}, {middle}{write(body)})", _MEMBER


def _unary_operand(operand: Expr) -> str:
    text = _write(operand, _MEMBER)
    return f"({text})" if text[0].isdigit() or text[0] == "." else text  # a bare minus would join the number


def write_field(name: str) -> str:
    """A name as it stands after a dot, in backquotes when it needs them."""
    return name if _NAME.match(name) and name not in KEYWORDS else f"`{name}`"
