"""What other languages write in another way: told as one mistake with the way it is written here, not as its symptoms.

`a && 'x' || 'y'` chooses in Actions, a hyphen joins words in names, a number may stand in quotes. A reading is given
only where the plain one has failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from somagent.governance.cel.syntax import Binary, Call, Conditional, Expr, Index, Literal, Name, Select
from somagent.governance.cel.types import (
    BOOL,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    STRING,
    MapType,
    ObjectType,
    SimpleType,
    Type,
)
from somagent.governance.cel.writer import write, write_target
from somagent.governance.documents import Diagnostic, Edit, Span

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")
_EMPTY: Mapping[Type, tuple[Literal, ...]] = {
    STRING: (Literal("", "''", Span(0, 0)),),
    INT: (Literal(0, "0", Span(0, 0)),),
    DOUBLE: (Literal(0.0, "0.0", Span(0, 0)),),
    BOOL: (),
    DYN: (),
}


class Habit(NamedTuple):
    """One mistake, what of all that was said are its symptoms, and the type of what was meant."""

    diagnostic: Diagnostic
    is_symptom: Callable[[Diagnostic], bool]
    type: Type


def choice(expr: Binary, types: Mapping[int, Type]) -> Habit | None:
    """`a && x || y`, where `x` and `y` are values: `a ? x : y`; also in a longer row."""
    *chosen, last = _row(expr, "||")
    if types[id(last)] in (BOOL, ERROR):
        return None
    branches: list[tuple[list[Expr], Expr]] = []
    for one in chosen:
        *conditions, value = _row(one, "&&")
        if not conditions or types[id(value)] in (BOOL, DYN):
            return None
        branches.append((conditions, value))
    values = [*(value for _, value in branches), last]
    alike = len({types[id(value)] for value in values}) == 1
    parts = (*chosen, *values, *(condition for conditions, _ in branches for condition in conditions))
    places = {part.span for part in parts}
    better = _chosen(branches, last, types) if alike else None
    edit = None
    if better is not None:
        sure = all(isinstance(value, Literal) and value.value for _, value in branches)
        whole = f"({better})" if expr.span.start < expr.left.span.start else better
        edit = Edit(expr.span, whole, f"write {better}", safe=sure)
    help_ = f"write {better}" if better else "write `condition ? one : other`, with both of one type"
    message = "`&&` and `||` give true or false, never one of their sides: a choice is written with `? :`"
    diagnostic = Diagnostic("no-matching-overload", message, expr.span, help=help_, edit=edit)
    return Habit(
        diagnostic,
        lambda one: one.name == "no-matching-overload" and one.span in places,
        types[id(last)] if alike else ERROR,
    )


def _chosen(branches: list[tuple[list[Expr], Expr]], last: Expr, types: Mapping[int, Type]) -> str | None:
    found = last
    for conditions, value in reversed(branches):
        row: Expr | None = None
        for one in conditions:
            nothing = _EMPTY.get(types[id(one)])
            if nothing is None and types[id(one)] != ERROR:
                return None
            asked = Binary("!=", one.span, one, nothing[0], one.span) if nothing else one
            row = asked if row is None else Binary("&&", one.span, row, asked, one.span)
        if row is None:
            return None
        found = Conditional(row, value, found, last.span)
    return write(found)


def _row(expr: Expr, operator: str) -> Iterator[Expr]:
    if isinstance(expr, Binary) and expr.operator == operator:
        yield from _row(expr.left, operator)
        yield from _row(expr.right, operator)
    else:
        yield expr


def hyphenated(expr: Binary, types: Mapping[int, Type]) -> Habit | None:
    """`steps.plan-gate.because`: a name with hyphens, which read as minus."""
    first, *others = _subtracted(expr)
    words = [_root(one) for one in others]
    if not isinstance(first, Select) or any(word is None for word in words):
        return None
    names = [word for word in words if word is not None]
    owner = types[id(first.operand)]
    written = "-".join([first.field, *(name.name for name in names)])
    snake = written.replace("-", "_")
    span = Span(first.field_span.start, names[-1].span.end)
    minus = f"a hyphen is minus here: this is `{first.field}` minus `{'` minus `'.join(name.name for name in names)}`"
    whole = write_target(first.operand)
    if isinstance(owner, ObjectType) and (snake in owner.fields or (written in owner.fields and _named(owner))):
        help_ = f"names are snake_case: `{whole}.{snake}`"
        edit = Edit(span, snake, f"write `{snake}`")
        fault = owner.fault
    elif (isinstance(owner, ObjectType) and written in owner.fields) or _open(owner, types[id(others[-1])]):
        index = f'["{written}"]'
        help_ = f"a key with a hyphen is read `{whole}{index}`"
        edit = Edit(Span(first.operand.span.end, span.end), index, f"write {whole}{index}")
        fault = "unknown-name"
    else:
        return None
    diagnostic = Diagnostic(fault, minus, span, help=help_, edit=edit)
    return Habit(diagnostic, lambda one: span.start <= one.span.start and one.span.end <= span.end, ERROR)


def _named(owner: ObjectType) -> bool:
    """Whether its members are steps or inputs, whose names have no hyphens."""
    return owner.fault in {"unknown-step", "unknown-input"}


def _open(owner: Type, right: Type) -> bool:
    """Whether any key may be there, and what the hyphen is followed by is nothing else."""
    return right == ERROR and (owner == DYN or isinstance(owner, MapType))


def _subtracted(expr: Expr) -> Iterator[Expr]:
    """The operands of a row of minus signs that touch both their sides."""
    touching = (
        isinstance(expr, Binary)
        and expr.operator == "-"
        and expr.left.span.end == expr.operator_span.start
        and expr.operator_span.end == expr.right.span.start
    )
    if isinstance(expr, Binary) and touching:
        yield from _subtracted(expr.left)
        yield expr.right
    else:
        yield expr


def _root(expr: Expr) -> Name | None:
    while not isinstance(expr, Name):
        if isinstance(expr, Select | Index):
            expr = expr.operand
        elif isinstance(expr, Call) and expr.target is not None:
            expr = expr.target
        else:
            return None
    return expr


def unquoted(expr: Expr, wanted: Type) -> Edit | None:
    """A number or a bool that was written in quotes, without them."""
    if not (isinstance(expr, Literal) and isinstance(expr.value, str) and isinstance(wanted, SimpleType)):
        return None
    text = expr.value.strip()
    if wanted == DOUBLE and _WHOLE.fullmatch(text):
        text += ".0"
    fits = {INT: _WHOLE.fullmatch(text), DOUBLE: _NUMBER.fullmatch(text), BOOL: text in ("true", "false")}
    return Edit(expr.span, text, f"take the quotes off: {text}", safe=True) if fits.get(wanted) else None
