"""The syntax tree. Macros are nodes of their own instead of being expanded, so that messages speak the author's words.

Every node knows its place: `span` is the whole node with the parentheses around it, offsets count code points of the
text that was parsed. The garbage collector leaves nodes alone, since a tree has no circles.
"""

from __future__ import annotations

from typing import Literal as OneOf
from typing import TypeAlias

from msgspec import Struct

from somagent.governance.documents import Span

MacroName: TypeAlias = OneOf["all", "exists", "exists_one", "filter", "map"]


class Literal(Struct, frozen=True, gc=False):
    """A constant: bool, int (64 bit), double, string or null.

    `raw` is how it was written; with it, `1`, `1.0` and `true` differ although Python holds their values equal.
    """

    value: bool | int | float | str | None
    raw: str
    span: Span


class Name(Struct, frozen=True, gc=False):
    """A use of a variable, of the scope or of a macro."""

    name: str
    span: Span


class Select(Struct, frozen=True, gc=False):
    """`operand.field`."""

    operand: Expr
    field: str
    field_span: Span
    span: Span


class Has(Struct, frozen=True, gc=False):
    """`has(operand.field)`."""

    operand: Expr
    field: str
    field_span: Span
    span: Span


class Index(Struct, frozen=True, gc=False):
    """`operand[index]`."""

    operand: Expr
    index: Expr
    span: Span


class Call(Struct, frozen=True, gc=False):
    """`function(arguments)`, or `target.function(arguments)` when there is a target."""

    function: str
    function_span: Span
    target: Expr | None
    arguments: tuple[Expr, ...]
    span: Span


class ListLiteral(Struct, frozen=True, gc=False):
    """`[items]`."""

    items: tuple[Expr, ...]
    span: Span


class MapLiteral(Struct, frozen=True, gc=False):
    """`{key: value, ...}`."""

    entries: tuple[tuple[Expr, Expr], ...]
    span: Span


class Unary(Struct, frozen=True, gc=False):
    """`!operand` or `-operand`; also `!!` and `--`, which change nothing but want a bool or a number."""

    operator: str
    operand: Expr
    span: Span


class Binary(Struct, frozen=True, gc=False):
    """`left operator right`, with the arithmetic, comparing and logical operators and `in`."""

    operator: str
    operator_span: Span
    left: Expr
    right: Expr
    span: Span


class Conditional(Struct, frozen=True, gc=False):
    """`condition ? yes : no`."""

    condition: Expr
    yes: Expr
    no: Expr
    span: Span


class Macro(Struct, frozen=True, gc=False):
    """`target.macro(variable, body)`, or `target.map(variable, condition, body)`."""

    macro: MacroName
    macro_span: Span
    target: Expr
    variable: str
    variable_span: Span
    condition: Expr | None
    body: Expr
    span: Span


Expr: TypeAlias = (
    Literal | Name | Select | Has | Index | Call | ListLiteral | MapLiteral | Unary | Binary | Conditional | Macro
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The parts of a node, in the order they are written."""
    match expr:
        case Literal() | Name():
            return ()
        case Select(operand) | Has(operand) | Unary(_, operand):
            return (operand,)
        case Index(operand, index):
            return (operand, index)
        case Call(_, _, target, arguments):
            return arguments if target is None else (target, *arguments)
        case ListLiteral(items):
            return items
        case MapLiteral(entries):
            return tuple(part for entry in entries for part in entry)
        case Binary(_, _, left, right):
            return (left, right)
        case Conditional(condition, yes, no):
            return (condition, yes, no)
        case Macro(_, _, target, _, _, condition, body):
            return (target, body) if condition is None else (target, condition, body)


def count_nodes(expr: Expr) -> int:
    """How many nodes the tree has."""
    count, level = 0, [expr]
    while level:
        node = level.pop()
        count += 1
        level.extend(children(node))
    return count
