"""How tightly operators bind, and how rows of them become trees."""

from __future__ import annotations

from typing import NamedTuple

from somagent.governance.cel.syntax import Binary, Expr
from somagent.governance.documents import Span

PRECEDENCE = {"||": 1, "&&": 2}
PRECEDENCE |= dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3)
PRECEDENCE |= dict.fromkeys("+-", 4) | dict.fromkeys("*/%", 5)


class Operator(NamedTuple):
    """An operator waiting for its right operand."""

    text: str
    span: Span


def _join(operator: Operator, left: Expr, right: Expr) -> Expr:
    return Binary(operator.text, operator.span, left, right, Span(left.span.start, right.span.end))


def reduce_one(operands: list[Expr], operators: list[Operator]) -> None:
    """Take the last operator with its two operands."""
    right = operands.pop()
    operands.append(_join(operators.pop(), operands.pop(), right))


def reduce_row(operands: list[Expr], operators: list[Operator]) -> None:
    """Take the last operator; of `&&` or `||`, take its whole row and balance it."""
    text = operators[-1].text
    if text not in ("&&", "||"):
        reduce_one(operands, operators)
        return
    length = 1
    while length < len(operators) and operators[-1 - length].text == text:
        length += 1
    row, marks = operands[-length - 1 :], operators[-length:]
    del operands[-length - 1 :], operators[-length:]
    while marks:
        pairs = [_join(marks[i], row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row, marks = pairs + row[len(pairs) * 2 :], marks[1::2]
    operands.append(row[0])
