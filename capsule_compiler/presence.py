"""Which steps an expression may take for granted: the flow of `has()` through `&&`, `||`, `!` and `?:`.

Sound, not complete: what it lets pass cannot read the output of a skipped step.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from somagent.governance.cel import Expr
from somagent.governance.cel.syntax import Binary, Conditional, Has, Index, Literal, Name, Select, Unary, children
from somagent.governance.documents import Span

NOTHING: frozenset[str] = frozenset()


class Unsure(NamedTuple):
    """A read of a step that may have been skipped."""

    step: str
    span: Span


def unsure_reads(expr: Expr, doubtful: Set[str], known: frozenset[str] = NOTHING) -> Iterator[Unsure]:
    """Reads of steps in `doubtful` that nothing in the expression makes sure of; `known` are sure already."""
    match expr:
        case Binary(operator="&&", left=left, right=right):
            # CEL absorbs an error beside `false`, on either side
            yield from unsure_reads(left, doubtful, known | present_if(right, value=True))
            yield from unsure_reads(right, doubtful, known | present_if(left, value=True))
        case Binary(operator="||", left=left, right=right):
            yield from unsure_reads(left, doubtful, known | present_if(right, value=False))
            yield from unsure_reads(right, doubtful, known | present_if(left, value=False))
        case Conditional(condition, yes, no):
            yield from unsure_reads(condition, doubtful, known)
            yield from unsure_reads(yes, doubtful, known | present_if(condition, value=True))
            yield from unsure_reads(no, doubtful, known | present_if(condition, value=False))
        case Has():
            return
        case Index(Name(name="steps"), Literal(str() as step, _, step_span)):
            if step in doubtful and step not in known:
                yield Unsure(step, step_span)
        case Select(Name(name="steps"), field, field_span):
            if field in doubtful and field not in known:
                yield Unsure(field, field_span)
        case _:
            for part in children(expr):
                yield from unsure_reads(part, doubtful, known)


def present_if(expr: Expr, *, value: bool) -> frozenset[str]:
    """The steps that have not been skipped if the expression has this value."""
    match expr:
        case Has(operand=Name(name="steps"), field=field) if value:
            return frozenset({field})
        case Has(operand=Select(Name(name="steps"), field)) if value:
            return frozenset({field})
        case Unary(operator="!", operand=operand):
            return present_if(operand, value=not value)
        case Binary(operator="&&" | "||" as operator, left=left, right=right):
            both = (present_if(left, value=value), present_if(right, value=value))
            return both[0] | both[1] if (operator == "&&") == value else both[0] & both[1]
        case _:
            return NOTHING
