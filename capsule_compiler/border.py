"""The border between a step and what it works with: values go in and come out by the other side's schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.catalogue import USED_INPUT, USES
from somagent.capsule_compiler.draft import Child, Draft, StepDraft
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.value_types import REF, ValueTypes, references_of
from somagent.governance.cel import Type, show
from somagent.governance.cel.patterns import PatternFault, Re2Form
from somagent.governance.documents import Diagnostic, Edit, MappingNode, Path, ShapeCheck, nearest, node_at, shape_of

JsonSchema = Mapping[str, Any]


class Border(NamedTuple):
    """What the other side takes."""

    argument: str  # that the values stand in
    other: str  # what messages call the other side
    inputs: Mapping[str, JsonSchema]
    types: ValueTypes
    named: Mapping[str, JsonSchema]


def used_alias(draft: Draft, step: StepDraft, section: str) -> str:
    """The alias under a section of `uses` that the step works with; empty when it works with none."""
    for name, of in draft.hinted(step, USES):
        alias = step.operation.arguments.get(name)
        if of == section and isinstance(alias, str):
            return alias
    return ""


def child_of(draft: Draft, step: StepDraft) -> Child | None:
    """The capsule that the step runs, if it is one without mistakes."""
    if not draft.capsules:
        return None
    return draft.capsules.get(used_alias(draft, step, "capsules"))


def runs_capsule(draft: Draft, step: StepDraft) -> bool:
    """Whether the step's operator runs a capsule."""
    uses = draft.hinted(step, USES)
    return bool(uses) and any(of == "capsules" for _, of in uses)


def given_outputs(draft: Draft, step: StepDraft) -> dict[str, Any]:
    """JSON Schema of each output that comes from the capsule which the step runs."""
    child = child_of(draft, step)
    if child is None or child.plan is None:
        return {}
    alias = used_alias(draft, step, "capsules")
    return {name: _renamed(schema, alias) for name, schema in child.plan.output_schemas.items()}


def types_across(draft: Draft) -> dict[str, Any]:
    """The named schemas that outputs of used capsules refer to, called `ALIAS.NAME` on this side."""
    found: dict[str, Any] = {}
    for alias, child in draft.capsules.items():
        if child.plan is None:
            continue
        waiting = [name for schema in child.plan.output_schemas.values() for name in references_of(schema)]
        while waiting:
            name = waiting.pop()
            schema = child.plan.types.get(name)
            if schema is not None and f"{alias}.{name}" not in found:
                found[f"{alias}.{name}"] = _renamed(schema, alias)
                waiting += references_of(schema)
    return found


def wanted_of_used_input(draft: Draft, step: StepDraft, at: Path) -> Type | None:
    """The type that a value at a path of the arguments must have, None where the other side says nothing."""
    border = _border(draft, step)
    if border is None or len(at) < 2 or at[0] != border.argument or at[1] not in border.inputs:
        return None
    schema: JsonSchema = border.inputs[str(at[1])]
    for part in at[2:]:
        schema = _inside(schema, part, border.named)
    type_ = border.types.type_of(schema)
    return type_ if schema else None


def check_used_input(draft: Draft, step: StepDraft) -> Iterator[Diagnostic]:
    """Inputs that the other side does not know, or needs and does not get, and constants that it refuses."""
    border = _border(draft, step)
    if border is None or draft.root is None:
        return
    path: Path = (*step.path, *step.operation.at, border.argument)
    node = node_at(draft.root, path)
    if node is not None and not isinstance(node, MappingNode):
        return  # which was said
    written = draft.written(path)
    for name in written:
        if name not in border.inputs:
            yield _unknown(draft, border, (*path, name))
    for name, schema in border.inputs.items():
        if name not in written and "default" not in schema:
            kind = schema.get("description") or show(border.types.type_of(schema))
            message = f"{border.other} needs the input `{name}`"
            place = path if border.argument in draft.written(path[:-1]) else path[:-1]
            span = draft.key_span(place)
            yield Diagnostic("missing-used-input", message, span, help=f"add `{name}:` ({kind}) to `{border.argument}`")
    if isinstance(node, MappingNode):
        for name, entry in node.entries.items():
            if name in border.inputs:
                checker = ShapeCheck(draft.source, templates=True, inside=True)
                checker.check(entry.value, shape_of(_for_shapes(border.inputs[name], border.named)), (*path, name))
                yield from checker.diagnostics


def check_uses(draft: Draft, step: StepDraft) -> Iterator[Diagnostic]:
    """Every alias that the step's operator works with stands under `uses`."""
    for name, section in draft.hinted(step, USES):
        given: Any = step.operation.arguments.get(name)
        known = draft.written(("spec", "uses", section))
        at: Path = (*step.path, *step.operation.at, name)
        aliases: list[Any] = given if isinstance(given, list) else [given]
        for index, alias in enumerate(aliases):
            path = (*at, index) if isinstance(given, list) else at
            if isinstance(alias, str) and alias not in known and "${{" not in alias:
                span, near = draft.span(path), nearest(alias, known)
                yield Diagnostic(
                    "unknown-use",
                    f"there is no `{alias}` under `uses.{section}`",
                    span,
                    note=f"did you mean `{near}`?" if near else "",
                    help="" if near else f"add `{alias}: ./FILE.yaml` or `{alias}: namespace/name@^1` there",
                    edit=Edit(span, near, f"use `{near}`") if near else None,
                )


def _border(draft: Draft, step: StepDraft) -> Border | None:
    for argument, sibling in draft.hinted(step, USED_INPUT):
        section = next((of for name, of in draft.hinted(step, USES) if name == sibling), "")
        alias = str(step.operation.arguments.get(sibling))
        if section == "capsules":
            child = draft.capsules.get(alias)
            if child is not None and child.plan is not None:
                plan = child.plan
                return Border(argument, f"capsule `{alias}`", plan.inputs, ValueTypes(plan.types), plan.types)
        elif section == "tools" and alias in draft.tools:
            tool = draft.tools[alias].model
            if isinstance(tool, Tool) and tool.spec.input is not UNSET:
                inputs = {name: msgspec.to_builtins(schema) for name, schema in tool.spec.input.items()}
                return Border(argument, f"tool `{alias}`", inputs, ValueTypes({}), {})
    return None


def _unknown(draft: Draft, border: Border, path: Path) -> Diagnostic:
    name, span = str(path[-1]), draft.key_span(path)
    near = nearest(name, border.inputs)
    known = ", ".join(f"`{one}`" for one in border.inputs) or "none"
    return Diagnostic(
        "unknown-used-input",
        f"{border.other} has no input `{name}`",
        span,
        note=f"did you mean `{near}`?" if near else "",
        help="" if near else f"its inputs: {known}",
        edit=Edit(span, near, f"rename to `{near}`") if near else None,
    )


def _renamed(schema: Any, alias: str) -> Any:
    if isinstance(schema, dict):
        return {
            key: REF + f"{alias}.{part.removeprefix(REF)}" if key == "$ref" else _renamed(part, alias)
            for key, part in schema.items()
            if key not in {"default", "enum"} or isinstance(part, str)
        } | {key: schema[key] for key in ("default", "enum") if key in schema}
    return [_renamed(part, alias) for part in schema] if isinstance(schema, list) else schema


def _inside(schema: JsonSchema, part: str | int, named: Mapping[str, JsonSchema]) -> JsonSchema:
    for _ in range(64):
        if "$ref" not in schema:
            break
        schema = named.get(str(schema["$ref"]).removeprefix(REF), {})
    inner = schema.get("items") if isinstance(part, int) else (schema.get("properties") or {}).get(part)
    return inner if isinstance(inner, Mapping) else {}


def _for_shapes(schema: JsonSchema, named: Mapping[str, JsonSchema]) -> dict[str, Any]:
    definitions = {name: _shaped(part) for name, part in named.items()}
    return {**_shaped(schema), "$defs": definitions}


_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array"})


def _shaped(schema: JsonSchema) -> dict[str, Any]:
    """The schema as the shapes of documents understand it; what has no constants is left open."""
    if "$ref" in schema:
        return {"$ref": "#/$defs/" + str(schema["$ref"]).removeprefix(REF)}
    shaped = {key: part for key, part in schema.items() if key not in {"pattern", "default", "description"}}
    if schema.get("type") not in _TYPES:
        return {}
    with suppress(KeyError, PatternFault):  # a wrong one was said where it stands
        shaped["pattern"] = Re2Form(schema["pattern"])
    if "items" in schema:
        shaped["items"] = _shaped(schema["items"])
    if "properties" in schema:
        shaped["properties"] = {name: _shaped(part) for name, part in schema["properties"].items()}
    return shaped
