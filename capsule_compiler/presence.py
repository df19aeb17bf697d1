"""Which steps an expression may take for granted: the flow of `has()` through `&&`, `||`, `!` and `?:`.

Sound, not complete: what it lets pass cannot read the output of a step that has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from somagent.capsule_compiler.environment import ALWAYS_THERE
from somagent.governance.cel import Expr
from somagent.governance.cel.syntax import Binary, Conditional, Has, Index, Literal, Name, Select, Unary, children
from somagent.governance.documents import Span

NOTHING: frozenset[str] = frozenset()
SUCCEEDED = ""
"""Stands among steps for `run.phase == "Succeeded"`: every step that nothing could skip has its outputs."""


class Unsure(NamedTuple):
    """A read of a step that may have no outputs."""

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
        case Has(operand) if _is_steps(operand) or _step_read(operand) is not None:
            return  # asks of the step itself, or of one of its outputs
        case Select(operand=operand, field=field) if field in ALWAYS_THERE and _step_read(operand) is not None:
            return  # how a step went is known of every step
        case _:
            read = _step_read(expr)
            if read is not None:
                if read.step in doubtful and read.step not in known:
                    yield read
                return
            for part in children(expr):
                yield from unsure_reads(part, doubtful, known)


def present_if(expr: Expr, *, value: bool) -> frozenset[str]:
    """The steps that have outputs if the expression has this value."""
    match expr:
        case Has(operand=operand, field=field) if value and _is_steps(operand):
            return frozenset({field})
        case Has(operand=operand) if value:
            return _asked(operand)
        case Unary(operator="!", operand=operand):
            return present_if(operand, value=not value)
        case Binary(operator="&&" | "||" as operator, left=left, right=right):
            both = (present_if(left, value=value), present_if(right, value=value))
            return both[0] | both[1] if (operator == "&&") == value else both[0] & both[1]
        case Binary(operator="==", left=Select(Name(name="run"), "phase"), right=Literal(value="Succeeded")) if value:
            return frozenset({SUCCEEDED})
        case _:
            return NOTHING


def _asked(operand: Expr) -> frozenset[str]:
    """The step that `has(operand.field)` is about; when it is true, all on the way to the field is there."""
    while isinstance(operand, Select | Index):
        read = _step_read(operand)
        if read is not None:
            return frozenset({read.step})
        operand = operand.operand
    return NOTHING


def _is_steps(expr: Expr) -> bool:
    return isinstance(expr, Name) and expr.name == "steps"


def _step_read(expr: Expr) -> Unsure | None:
    match expr:
        case Index(Name(name="steps"), Literal(str() as step, _, span)) | Select(Name(name="steps"), step, span):
            return Unsure(step, span)
        case _:
            return None
