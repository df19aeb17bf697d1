"""Which members an expression may take for granted: the flow of `has()` where a value may lack what is asked of it.

An object lacks a property that its schema does not require; an item of a fan-out that collects failures has either its
outputs or its `error`. Sound, not complete: what is let pass cannot read a member that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from somagent.capsule_compiler.environment import MEMBERS_OF_STEPS
from somagent.governance.cel import Expr, OptionalMember
from somagent.governance.cel.syntax import (
    Binary,
    Conditional,
    Has,
    Index,
    Literal,
    Macro,
    Name,
    Select,
    Unary,
    children,
)

Place = tuple[str, ...]  # `i.error` is ("i", "error")
Facts = frozenset[Place]
NOTHING: Facts = frozenset()
_NO_ERROR = "!error"
_ERROR = "error"


class OptionalRead(NamedTuple):
    """A read of a member that may not be there."""

    member: OptionalMember
    collected: bool  # an output of an item that may have failed, or the error of one that may not


Members = Mapping[int, OptionalMember]


def optional_reads(expr: Expr, members: Members, known: Facts = NOTHING) -> Iterator[OptionalRead]:
    """Reads that nothing in the expression makes sure of; `members` are by the `id` of the node, `known` is sure."""
    match expr:
        case Binary(operator="&&" | "||" as operator, left=left, right=right):
            # CEL absorbs an error beside the value that decides, on either side
            value = operator == "&&"
            yield from optional_reads(left, members, known | facts_of(right, value=value))
            yield from optional_reads(right, members, known | facts_of(left, value=value))
        case Conditional(condition, yes, no):
            yield from optional_reads(condition, members, known)
            yield from optional_reads(yes, members, known | facts_of(condition, value=True))
            yield from optional_reads(no, members, known | facts_of(condition, value=False))
        case Macro():
            yield from _in_macro(expr, members, known)
        case Has(operand):
            yield from optional_reads(operand, members, known)
        case _:
            for part in children(expr):
                yield from optional_reads(part, members, known)
            member = members.get(id(expr))
            if member is not None:
                yield from _in_read(member, known)


def facts_of(expr: Expr, *, value: bool) -> Facts:
    """What is there if the expression has this value."""
    match expr:
        case Has(operand=operand, field=field):
            place = _place(operand)
            if place is None:
                return NOTHING
            if value:
                return frozenset({(*place, field)})
            return frozenset({(*place, _NO_ERROR)}) if field == _ERROR else NOTHING
        case Unary(operator="!", operand=operand):
            return facts_of(operand, value=not value)
        case Binary(operator="&&" | "||" as operator, left=left, right=right):
            both = (facts_of(left, value=value), facts_of(right, value=value))
            return both[0] | both[1] if (operator == "&&") == value else both[0] & both[1]
        case _:
            return NOTHING


def facts_of_items(expr: Expr, name: str) -> Facts:
    """What is there in every item of a list, when an item is called `name`: what a `filter` asked for."""
    if not isinstance(expr, Macro) or expr.macro != "filter":
        return NOTHING
    own = facts_of(expr.body, value=True) | _about(facts_of_items(expr.target, expr.variable), expr.variable)
    return frozenset((name, *place[1:]) for place in _about(own, expr.variable))


def _in_macro(expr: Macro, members: Members, known: Facts) -> Iterator[OptionalRead]:
    yield from optional_reads(expr.target, members, known)
    outer = frozenset(place for place in known if place[0] != expr.variable)
    inner = outer | facts_of_items(expr.target, expr.variable)
    if expr.condition is not None:
        yield from optional_reads(expr.condition, members, inner)
        inner |= facts_of(expr.condition, value=True)
    yield from optional_reads(expr.body, members, inner)


def _in_read(member: OptionalMember, known: Facts) -> Iterator[OptionalRead]:
    expr = member.expr
    place = _place(expr.operand)
    collected = member.owner.fault == "unknown-output"
    if place is None or not _is_there(place, expr.field, known, collected=collected):
        yield OptionalRead(member, collected)


def _is_there(place: Place, field: str, known: Facts, *, collected: bool) -> bool:
    if (*place, field) in known:
        return True
    if not collected or field == _ERROR:
        return False
    siblings = {known_place[-1] for known_place in known if known_place[:-1] == place}
    return _NO_ERROR in siblings or bool(siblings - MEMBERS_OF_STEPS)


def _place(expr: Expr) -> Place | None:
    match expr:
        case Name(name=name):
            return (name,)
        case Select(operand=operand, field=field):
            place = _place(operand)
            return None if place is None else (*place, field)
        case Index(operand=operand, index=Literal(value=str() | int() as key)):
            place = _place(operand)
            return None if place is None else (*place, str(key))
        case _:
            return None


def _about(facts: Facts, name: str) -> Facts:
    return frozenset(place for place in facts if place[0] == name)
