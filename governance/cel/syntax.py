"""The syntax tree. Macros are nodes of their own instead of being expanded, so that messages speak the author's words.

Every node knows its place: `span` is the whole node with the parentheses around it, offsets count code points of the
text that was parsed. The garbage collector leaves nodes alone, since a tree has no circles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from typing import Literal as OneOf

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
    return _PARTS[type(expr)](expr)


# Looked up by type: a row of class patterns would be tried from the top for each of very many nodes.
_PARTS: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Literal: lambda _: (),
    Name: lambda _: (),
    Select: lambda node: (node.operand,),
    Has: lambda node: (node.operand,),
    Unary: lambda node: (node.operand,),
    Index: lambda node: (node.operand, node.index),
    Call: lambda node: node.arguments if node.target is None else (node.target, *node.arguments),
    ListLiteral: lambda node: node.items,
    MapLiteral: lambda node: tuple(part for entry in node.entries for part in entry),
    Binary: lambda node: (node.left, node.right),
    Conditional: lambda node: (node.condition, node.yes, node.no),
    Macro: lambda node: (
        (node.target, node.body) if node.condition is None else (node.target, node.condition, node.body)
    ),
}


def count_nodes(expr: Expr) -> int:
    """How many nodes the tree has."""
    count, level = 0, [expr]
    while level:
        node = level.pop()
        count += 1
        level.extend(children(node))
    return count
