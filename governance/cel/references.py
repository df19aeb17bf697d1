"""Which names of the scope an expression uses, and how deep: this is how a plan learns its edges."""

from __future__ import annotations

from msgspec import Struct

from somagent.governance.cel.syntax import Expr, Has, Index, Literal, Macro, Name, Select, children
from somagent.governance.documents import Span


class Reference(Struct, frozen=True, gc=False):
    """One use of a variable with the constant members asked of it: `steps.plan["risk"]` is steps, plan, risk.

    `spans` has one place for each name; `guarded` says that `has(...)` only asks for the last one.
    """

    names: tuple[str, ...]
    spans: tuple[Span, ...]
    span: Span
    guarded: bool = False


def references(expr: Expr) -> tuple[Reference, ...]:
    """Every use of a variable of the scope, in the order written; variables of macros are not of the scope."""
    found: list[Reference] = []
    _collect(expr, frozenset(), found)
    return tuple(found)


def _collect(expr: Expr, bound: frozenset[str], found: list[Reference]) -> None:
    kind = type(expr)
    if kind is Literal:
        return
    if kind in _LINKS:
        chain = _chain(expr)
        if chain is not None:
            if chain.names[0] not in bound:
                found.append(chain)
            return
    if isinstance(expr, Macro):
        _collect(expr.target, bound, found)
        inner = bound | {expr.variable}
        for part in (expr.condition, expr.body):
            if part is not None:
                _collect(part, inner, found)
        return
    for child in children(expr):
        _collect(child, bound, found)


_LINKS = frozenset({Name, Select, Has, Index})


def _chain(expr: Expr) -> Reference | None:
    """The reference that this node is, whole; None when it is more, or something else."""
    names: list[str] = []
    spans: list[Span] = []
    node = expr
    while type(node) is not Name:
        if type(node) is Select or (isinstance(node, Has) and node is expr):
            names.append(node.field)
            spans.append(node.field_span)
        elif isinstance(node, Index) and isinstance(node.index, Literal) and isinstance(node.index.value, str):
            names.append(node.index.value)
            spans.append(node.index.span)
        else:
            return None
        node = node.operand
    names.append(node.name)
    spans.append(node.span)
    names.reverse()
    spans.reverse()
    return Reference(tuple(names), tuple(spans), expr.span, isinstance(expr, Has))
