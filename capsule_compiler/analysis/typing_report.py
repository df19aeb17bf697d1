"""The type of everything that has one, with its place: what `somagent plan --types` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from somagent.capsule_compiler.analysis.occurrences import scope_of
from somagent.capsule_compiler.draft import Draft, Expression
from somagent.governance.cel import STRING, ListType, ObjectType, Type, check
from somagent.governance.cel.types import MapType, Members
from somagent.governance.documents import Path, Position, locate

LineKind = Literal["input", "output", "item", "expression", "capsule output"]
_DEEPEST = 4


class TypeLine(NamedTuple):
    """One thing that has a type. `name` is how expressions name it, or the expression itself."""

    place: Position
    kind: LineKind
    name: str
    type: str


def type_lines(draft: Draft) -> list[TypeLine]:
    """All of them, in the order of the text."""
    found = [*_inputs(draft), *_outputs(draft), *_items(draft), *_expressions(draft)]
    return sorted(found, key=lambda one: (one.place, one.kind, one.name))


def spell(type_: Type, depth: int = _DEEPEST, inside: tuple[Type, ...] = ()) -> str:
    """The type with the members of objects: `list({name: string, goal?: string})`; inside itself, by its name."""
    match type_:
        case ObjectType(Members(name=name)) if not depth or type_ in inside:
            return name
        case ObjectType(fields) if depth:
            around = (*inside, type_)
            parts = (
                f"{name}{'' if field.required else '?'}: {spell(field.type, depth - 1, around)}"
                for name, field in fields.items()
            )
            return "{" + ", ".join(parts) + "}"
        case ObjectType():
            return "{...}"
        case ListType(item):
            return f"list({spell(item, depth, inside)})"
        case MapType(key, value):
            return f"map({spell(key, depth, inside)}, {spell(value, depth, inside)})"
        case _:
            return getattr(type_, "name", "dyn")


def _place(draft: Draft, path: Path) -> Position:
    return draft.source.position(draft.key_span(path).start)


def _inputs(draft: Draft) -> Iterator[TypeLine]:
    inputs = draft.scopes[""].outer["inputs"] if draft.scopes else None
    for name, field in inputs.fields.items() if isinstance(inputs, ObjectType) else ():
        yield TypeLine(_place(draft, ("spec", "inputs", name)), "input", f"inputs.{name}", spell(field.type))


def _outputs(draft: Draft) -> Iterator[TypeLine]:
    steps = draft.scopes[""].outer["steps"] if draft.scopes else None
    for step in draft.steps.values():
        field = steps.fields.get(step.id) if isinstance(steps, ObjectType) else None
        outputs = field.type if field is not None else None
        each = isinstance(outputs, ListType)
        outputs = outputs.item if isinstance(outputs, ListType) else outputs
        known = step.outputs
        for name, member in outputs.fields.items() if isinstance(outputs, ObjectType) else ():
            if name not in known:
                continue  # what every step has
            declared = name in draft.written((*step.path, "outputs"))
            place = _place(draft, (*step.path, "outputs", name) if declared else (*step.path, *step.operation.at[:1]))
            shown = f"steps.{step.id}{'[*]' if each else ''}.{name}"
            yield TypeLine(place, "output", shown, spell(member.type))


def _items(draft: Draft) -> Iterator[TypeLine]:
    for step, scopes in draft.scopes.items():
        for name, type_ in scopes.inner.items():
            if name not in scopes.outer and step:
                yield TypeLine(_place(draft, (*draft.steps[step].path, "forEach")), "item", name, spell(type_))


def _expressions(draft: Draft) -> Iterator[TypeLine]:
    for step in draft.steps.values():
        for one in step.expressions:
            yield _line(draft, one, "expression", one.text)
    whole: dict[str, tuple[Expression, Type]] = {}
    for one in draft.output_expressions:
        yield _line(draft, one, "expression", one.text)
        type_ = STRING if one.in_text else check(one.expr, scope_of(draft, one)).type
        whole.setdefault(str(one.at[-1]), (one, type_))
    for name, (_, type_) in whole.items():
        yield TypeLine(_place(draft, ("spec", "outputs", name)), "capsule output", name, spell(type_))


def _line(draft: Draft, one: Expression, kind: LineKind, name: str) -> TypeLine:
    type_ = check(one.expr, scope_of(draft, one)).type
    place = draft.source.position(locate(draft.source, draft.scalar(one), one.expr.span).start)
    return TypeLine(place, kind, " ".join(name.split()), spell(type_))
