"""The expression at a place, with the type of each of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from somagent.capsule_compiler.analysis.occurrences import scope_of
from somagent.capsule_compiler.draft import Draft, Expression
from somagent.governance.cel import Type, node_types
from somagent.governance.cel.syntax import Expr, children
from somagent.governance.documents import Span, locator


class Part(NamedTuple):
    """The innermost part of an expression around an offset, and those around it, from the inside."""

    expression: Expression
    node: Expr
    around: tuple[Expr, ...]
    types: Mapping[int, Type]
    span: Span  # of the node, in the document
    inner: int  # the offset, counted in the scalar's text


def part_at(draft: Draft, offset: int) -> Part | None:
    """What of an expression stands at an offset."""
    for one in _expressions(draft):
        node = draft.scalar(one)
        if not node.span.start <= offset <= node.span.end:
            continue
        place = locator(draft.source, node)
        whole = place(one.expr.span)
        if not whole.start <= offset <= whole.end:
            continue
        chain: list[Expr] = [one.expr]
        spans = [whole]
        while True:
            inside = ((part, place(part.span)) for part in children(chain[-1]))
            found = next(((part, span) for part, span in inside if span.start <= offset < span.end), None)
            if found is None:
                break
            chain.append(found[0])
            spans.append(found[1])
        inner = _inner(place, chain[-1].span, offset)
        around = tuple(reversed(chain[:-1]))
        return Part(one, chain[-1], around, node_types(one.expr, scope_of(draft, one)), spans[-1], inner)
    return None


def _inner(place: Callable[[Span], Span], span: Span, offset: int) -> int:
    for at in range(span.start, span.end):
        if place(Span(at, at + 1)).end > offset:
            return at
    return span.end


def _expressions(draft: Draft) -> Iterator[Expression]:
    for step in draft.steps.values():
        yield from step.expressions
    yield from draft.output_expressions
