"""What a policy step hands over, held against the closed attribute schema of the constitution that it asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from somagent.capsule_compiler.catalogue import POLICY_INPUT
from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.governance.cel import DYN, Field, ListType, MapType, ObjectType, Type
from somagent.governance.constitution import Constitution, attribute_type
from somagent.governance.documents import (
    Diagnostic,
    Edit,
    MappingNode,
    Path,
    ShapeCheck,
    nearest,
    node_at,
    shape_of,
)


def wanted_of_policy_input(draft: Draft, step: StepDraft, at: Path) -> Type | None:
    """The type that a value at a path of the arguments must have, None where no attribute stands."""
    argument, constitution = _asked(draft, step)
    if constitution is None or not at or at[0] != argument:
        return None
    type_: Type = _input_type(constitution)
    for part in at[1:]:
        type_ = _inside(type_, part)
    return type_


def check_policy_input(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    """Attributes that the constitution does not know or needs and does not get, and constants that it refuses."""
    argument, constitution = _asked(draft, step)
    if constitution is None or draft.root is None:
        return
    given: Any = step.operation.arguments.get(argument, {})
    path: Path = (*step.path, *step.operation.at, argument)
    if not isinstance(given, dict):
        return  # a whole `${{ }}`, which is typed
    written = draft.written(path)
    for name in written:
        if name not in constitution.input:
            yield _unknown(draft, constitution, (*path, name))
    for name, attribute in constitution.input.items():
        if name not in written and attribute.default is None:
            message = f"constitution `{constitution.name}` needs the input attribute `{name}`"
            kind = f" ({attribute.description or attribute.type})"
            yield Diagnostic("missing-attribute", message, _place(draft, step, argument), help=f"add `{name}:`{kind}")
    yield from _constants(draft, constitution, path)


def _unknown(draft: Draft, constitution: Constitution, path: Path) -> Diagnostic:
    name, span = str(path[-1]), draft.key_span(path)
    near = nearest(name, constitution.input)
    known = ", ".join(f"`{one}`" for one in constitution.input) or "none"
    return Diagnostic(
        "unknown-attribute",
        f"constitution `{constitution.name}` knows no input attribute `{name}`",
        span,
        note=f"did you mean `{near}`?" if near else "",
        help="" if near else f"its attributes: {known}",
        edit=Edit(span, near, f"rename to `{near}`") if near else None,
    )


def _constants(draft: Draft, constitution: Constitution, path: Path) -> Iterator[Diagnostic]:
    node = node_at(draft.root, path) if draft.root is not None else None
    if not isinstance(node, MappingNode):
        return
    schemas: dict[str, Any] = constitution.input_schema["properties"]
    for name, entry in node.entries.items():
        if name in schemas:
            checker = ShapeCheck(draft.source, templates=True, inside=True)
            checker.check(entry.value, shape_of(schemas[name]), (*path, name))
            yield from checker.diagnostics


def _place(draft: Draft, step: StepDraft, argument: str) -> Any:
    """The argument's key, or the operator's when it has no such argument."""
    path: Path = (*step.path, *step.operation.at)
    return draft.key_span((*path, argument)) if argument in draft.written(path) else draft.key_span(path)


def _asked(draft: Draft, step: StepDraft) -> tuple[str, Constitution | None]:
    """The name of the argument that holds the input, and the constitution that is asked."""
    arguments = step.operation.arguments
    for name, sibling in draft.hinted(step, POLICY_INPUT):
        if sibling not in draft.written((*step.path, *step.operation.at)):
            return name, draft.given.constitution
        return name, draft.policies.get(str(arguments.get(sibling)))
    return "", None


def _input_type(constitution: Constitution) -> ObjectType:
    fields = {
        name: Field(attribute_type(attribute, f"input.{name}"), required=attribute.default is None)
        for name, attribute in constitution.input.items()
    }
    return ObjectType(fields, "the constitution's input", "attribute", "unknown-attribute")


def _inside(type_: Type, part: str | int) -> Type:
    match type_:
        case ListType(item) if isinstance(part, int):
            return item
        case ObjectType(fields) if part in fields:
            return fields[str(part)].type
        case MapType(_, value):
            return value
        case _:
            return DYN
