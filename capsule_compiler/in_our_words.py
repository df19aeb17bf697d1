"""A mistake that a habit from GitHub Actions explains is told with what is written here instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from somagent.capsule_compiler.actions_words import (
    ALWAYS_IN_FINALLY,
    ALWAYS_IN_STEPS,
    CONTEXTS,
    FUNCTIONS,
    HOW_IT_WENT,
    INPUTS,
    INPUTS_OF_EVENT,
    MEMBERS,
    STAND_FOR_THEIR_ARGUMENT,
    STATUS_FUNCTIONS,
    SURE,
    VALUES,
    Status,
)
from somagent.governance.cel import Expr, ObjectType, Type, write
from somagent.governance.cel.syntax import Binary, Call, Index, Literal, Name, Select, Unary, children
from somagent.governance.documents import Diagnostic, Edit, Span

_PLACE = re.compile(r"\{([0-9]+)\}")


class Here(NamedTuple):
    """Where an expression stands."""

    scope: Mapping[str, Type]
    final: bool  # in a step of `finally`
    item: str  # what an item of the fan-out around it is called; empty outside of one


class _Chain(NamedTuple):
    """A name and the members that are read of it."""

    names: tuple[str, ...]
    spans: tuple[Span, ...]


def in_our_words(mistake: Diagnostic, expr: Expr, here: Here) -> Diagnostic:
    """The same mistake, with the way out where one is known."""
    match mistake.name:
        case "unknown-function":
            return _function(mistake, expr, here)
        case "unknown-name":
            return _context(mistake, expr, here)
        case "unknown-output" | "unknown-member":
            return _member(mistake, expr)
        case "never-equal":
            return _value(mistake, expr)
        case _:
            return mistake


def _told(mistake: Diagnostic, help_: str, edit: Edit | None = None) -> Diagnostic:
    note = f"did you mean `{edit.text}`?" if edit is not None and edit.text else ""
    return replace(mistake, note=note, help=help_, edit=edit)


def _function(mistake: Diagnostic, expr: Expr, here: Here) -> Diagnostic:
    *around, call = _way_to(expr, mistake.span) or [expr]
    if not isinstance(call, Call) or call.target is not None:
        return mistake
    name = call.function.lower()
    if name in STATUS_FUNCTIONS:
        return _status(mistake, STATUS_FUNCTIONS[name], call, around, here)
    if name not in FUNCTIONS:
        return mistake
    edit = None
    if name in STAND_FOR_THEIR_ARGUMENT and len(call.arguments) == 1:
        edit = _edit(call.span, write(call.arguments[0]), safe=False)
    elif name == "format":
        edit = _format(call)
    return _told(mistake, FUNCTIONS[name], edit)


def _status(mistake: Diagnostic, status: Status, call: Call, around: list[Expr], here: Here) -> Diagnostic:
    negated = bool(around) and isinstance(around[-1], Unary)
    asked: Expr = around[-1] if negated else call
    outer = around[-2:-1] if negated else around[-1:]
    holds = not status.phase if here.final else (status.phase == "Succeeded") != negated
    if holds and not (here.final and negated):  # it is true of every step that can run here
        help_ = ALWAYS_IN_FINALLY if here.final else ALWAYS_IN_STEPS
        return _told(mistake, help_, _without(asked, outer[0]) if outer else None)
    if not here.final:
        return _told(mistake, status.in_step)
    if not status.phase:
        return _told(mistake, ALWAYS_IN_FINALLY)
    text = f'run.phase {"!=" if negated else "=="} "{status.phase}"'
    return _told(mistake, "how the run has ended is `run.phase`", _edit(asked.span, text))


def _without(part: Expr, outer: Expr) -> Edit | None:
    """Takes what is always true out of a row of `&&`."""
    if not isinstance(outer, Binary) or outer.operator != "&&":
        return None
    return _edit(outer.span, write(outer.right if outer.left is part else outer.left))


def _format(call: Call) -> Edit | None:
    if not call.arguments or not isinstance(call.arguments[0], Literal):
        return None
    text, *values = call.arguments
    if not isinstance(text, Literal) or not isinstance(text.value, str) or "'" in text.value or "\\" in text.value:
        return None
    parts = _PLACE.split(text.value)
    if any("{" in part or "}" in part for part in parts[::2]) or any(int(n) >= len(values) for n in parts[1::2]):
        return None
    texts = [f"'{part}'" if at % 2 == 0 else f"string({write(values[int(part)])})" for at, part in enumerate(parts)]
    return _edit(call.span, " + ".join(one for one in texts if one != "''"))


def _context(mistake: Diagnostic, expr: Expr, here: Here) -> Diagnostic:
    chain = _chain(_way_to(expr, mistake.span))
    if chain is None or chain.names[0] not in CONTEXTS:
        return mistake
    help_ = CONTEXTS[chain.names[0]]
    meant = _meant(chain, here)
    if meant is None:
        return _told(mistake, help_)
    text, length = meant
    sure = chain.names[0] in SURE or chain.names[:2] in MEMBERS or chain.names[:3] == INPUTS_OF_EVENT
    return _told(mistake, help_, _edit(Span(chain.spans[0].start, chain.spans[length - 1].end), text, safe=sure))


def _meant(chain: _Chain, here: Here) -> tuple[str, int] | None:
    """What a chain means here, and how many of its names that is."""
    names = chain.names
    if names[:2] in MEMBERS:
        return MEMBERS[names[:2]], 2
    if names[0] == "needs" and len(names) > 1:
        return _needed(names, here)
    if names[0] == "matrix" and here.item:
        item = here.scope[here.item]
        inside = isinstance(item, ObjectType) and len(names) > 1 and names[1] in item.fields
        return (f"{here.item}.{names[1]}", 2) if inside else (here.item, min(2, len(names)))
    if names == ("job", "status") and here.final:
        return "run.phase", 2
    inputs = here.scope.get("inputs")
    for before in INPUTS:
        end = len(before)
        if names[:end] == before and len(names) > end and isinstance(inputs, ObjectType):
            found = next((one for one in (names[end], names[end].lower()) if one in inputs.fields), None)
            if found is not None:
                return f"inputs.{found}", end + 1
    return None


def _needed(names: tuple[str, ...], here: Here) -> tuple[str, int] | None:
    steps = here.scope.get("steps")
    step = names[1].replace("-", "_")
    if not isinstance(steps, ObjectType) or step not in steps.fields:
        return None
    if len(names) > 2 and names[2] in HOW_IT_WENT:
        return f"steps.{step}.status", 3
    return f"steps.{step}", 3 if len(names) > 3 and names[2] == "outputs" else 2


def _member(mistake: Diagnostic, expr: Expr) -> Diagnostic:
    *around, node = _way_to(expr, mistake.span) or [expr]
    if not isinstance(node, Select):
        return mistake
    whole = write(node.operand)
    if not re.fullmatch(r"steps\.\w+|\w+", whole):
        return mistake
    if mistake.name == "unknown-output" and node.field in HOW_IT_WENT:
        edit = _edit(node.field_span, "status")
        return _told(mistake, f"how a step went is `{whole}.status`", edit)
    if node.field != "outputs":
        return mistake
    outer = around[-1] if around else None
    if not isinstance(outer, Select) or outer.operand is not node:
        return _told(mistake, f"outputs are read by their names: `{whole}.NAME`")
    if mistake.name == "unknown-output":
        edit = Edit(Span(node.field_span.start, outer.field_span.start), "", f"write {whole}.{outer.field}", safe=True)
        help_ = f"outputs are read without a word between: `{whole}.{outer.field}`"
        return replace(mistake, note=f"did you mean `{whole}.{outer.field}`?", help=help_, edit=edit)
    if mistake.edit is not None:  # of a list, whose items have the outputs
        better = f"{whole}.map(i, i.{outer.field})"
        return _told(mistake, f"a fan-out has a list of results: {better}", _edit(outer.span, better))
    return mistake


def _value(mistake: Diagnostic, expr: Expr) -> Diagnostic:
    *_, node = _way_to(expr, mistake.span) or [expr]
    if mistake.edit is not None or not isinstance(node, Literal) or not isinstance(node.value, str):
        return mistake
    value = VALUES.get(node.value.lower())
    if value is None or f'"{value}"' not in mistake.help:
        return mistake
    quote = node.raw[0] if node.raw[0] in "\"'" else '"'
    return replace(mistake, note=f'did you mean "{value}"?', edit=_edit(node.span, f"{quote}{value}{quote}"))


def _edit(span: Span, text: str, *, safe: bool = True) -> Edit:
    return Edit(span, text, f"write {text}", safe=safe)


def _way_to(expr: Expr, span: Span) -> list[Expr]:
    """The nodes from the whole expression down to the one that a mistake is about."""
    if _own_span(expr) == span:
        return [expr]
    for part in children(expr):
        way = _way_to(part, span)
        if way:
            return [expr, *way]
    return []


def _own_span(expr: Expr) -> Span:
    match expr:
        case Call(function_span=span) | Select(field_span=span):
            return span
        case _:
            return expr.span


def _chain(way: list[Expr]) -> _Chain | None:
    """The members that are read of the name at the end of a way."""
    if not way or not isinstance(way[-1], Name):
        return None
    names, spans = [way[-1].name], [way[-1].span]
    for outer, inner in zip(reversed(way[:-1]), reversed(way[1:]), strict=True):
        match outer:
            case Select(operand, field, field_span) if operand is inner:
                names.append(field)
                spans.append(field_span)
            case Index(operand, Literal(str() as key)) if operand is inner:
                names.append(key)
                spans.append(Span(outer.span.end - 1, outer.span.end))
            case _:
                break
    return _Chain(tuple(names), tuple(spans))
