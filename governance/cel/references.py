"""Which names of the scope an expression uses, and how deep: this is how a plan learns its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from somagent.governance.cel.syntax import Expr, Has, Index, Literal, Macro, Name, Select, children
from somagent.governance.documents import Span


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a variable with the constant members asked of it: `steps.plan["risk"]` is steps, plan, risk.

    `spans` has one place for each name; `guarded` says that `has(...)` only asks for the last one.
    """

    names: tuple[str, ...]
    spans: tuple[Span, ...]
    span: Span
    guarded: bool = False


def references(expr: Expr) -> tuple[Reference, ...]:
    """Every use of a variable of the scope, in the order written; variables of macros are not of the scope."""
    return tuple(_walk(expr, frozenset()))


def _walk(expr: Expr, bound: frozenset[str]) -> Iterator[Reference]:
    chain = _chain(expr)
    if chain is not None:
        if chain.names[0] not in bound:
            yield chain
        return
    if isinstance(expr, Macro):
        yield from _walk(expr.target, bound)
        inner = bound | {expr.variable}
        for part in (expr.condition, expr.body):
            if part is not None:
                yield from _walk(part, inner)
        return
    for child in children(expr):
        yield from _walk(child, bound)


def _chain(expr: Expr) -> Reference | None:
    """The reference that this node is, whole; None when it is more, or something else."""
    names: list[tuple[str, Span]] = []
    node = expr
    while not isinstance(node, Name):
        match node:
            case Select(operand, field, field_span):
                names.append((field, field_span))
            case Has(operand, field, field_span) if node is expr:
                names.append((field, field_span))
            case Index(operand, Literal(str() as key, _, key_span)):
                names.append((key, key_span))
            case _:
                return None
        node = operand
    names.append((node.name, node.span))
    names.reverse()
    return Reference(tuple(n for n, _ in names), tuple(s for _, s in names), expr.span, isinstance(expr, Has))
