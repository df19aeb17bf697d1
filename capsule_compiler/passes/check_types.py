"""Every value has a type before it exists: schemas are sound, and every expression fits its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.catalogue import ARTIFACT_ONLY, OperatorEntry
from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.capsule_compiler.environment import (
    ARTIFACT,
    inputs_type,
    outputs_type,
    run_type,
    schema_of_type,
    steps_type,
)
from somagent.capsule_compiler.plan import FanOut, Hole, Template
from somagent.capsule_compiler.policy_inputs import check_policy_input, wanted_of_policy_input
from somagent.capsule_compiler.value_schemas import check_value_schema
from somagent.governance.cel import BOOL, DOUBLE, DYN, INT, STRING, ListType, Type, check, show
from somagent.governance.documents import HINTS, Diagnostic, Node, Path, key_at

JsonSchema = dict[str, Any]
_WANTED: dict[str, Type] = {"string": STRING, "integer": INT, "number": DOUBLE, "boolean": BOOL}
DEFAULT_ITEM = "item"


def check_types(draft: Draft) -> Draft:
    """Types everything; each fan-out learns its item's type, the capsule its outputs' types."""
    if draft.capsule is None:
        return draft
    spec = draft.capsule.spec
    found = list(_schemas(draft))
    types = {name: msgspec.to_builtins(schema) for name, schema in spec.types.items()}
    inputs = {name: msgspec.to_builtins(schema) for name, schema in spec.inputs.items()}
    known: dict[str, Type] = {
        step.id: _step_type(draft, step, types) for step in draft.steps.values() if not step.final
    }
    known |= dict.fromkeys(draft.broken, DYN)
    scope: dict[str, Type] = {
        "inputs": inputs_type(inputs, types),
        "steps": steps_type(known),
        "run": run_type(final=False),
    }
    steps: dict[str, StepDraft] = {}
    for step in draft.steps.values():
        if step.final:
            scope = {**scope, "steps": steps_type(known), "run": run_type(final=True)}
            known[step.id] = _step_type(draft, step, types)
        steps[step.id] = _check_step(draft, step, scope, found)
    outputs: dict[str, Type] = {}
    scope = {**scope, "steps": steps_type(known), "run": run_type(final=False)}
    for one in draft.output_expressions:
        outputs[str(one.at[-1])] = _check_expression(draft, one, scope, None, found)
    for name, template in draft.outputs.items():
        if not template.holes:
            help_ = "an output's value is an expression: `${{ steps.NAME.OUTPUT }}`"
            found.append(
                Diagnostic(
                    "constant-output",
                    f"output `{name}` is a constant",
                    draft.span(("spec", "outputs", name)),
                    help=help_,
                )
            )
        elif template.holes[0].text:
            outputs[name] = STRING
    return replace(draft.reporting(found), steps=steps, output_types=outputs)


def step_outputs(entry: OperatorEntry, step: StepDraft) -> dict[str, JsonSchema]:
    """JSON Schema of each output of a step: the operator's own and those that the author declares."""
    fixed: dict[str, JsonSchema] = entry.outputs
    declared: dict[str, JsonSchema] = {name: msgspec.to_builtins(schema) for name, schema in step.spec.outputs.items()}
    return fixed | declared


def _step_type(draft: Draft, step: StepDraft, types: Mapping[str, JsonSchema]) -> Type:
    entry = draft.given.language.catalogue.operators[step.operation.operator]
    type_ = outputs_type(step.id, step_outputs(entry, step), types)
    return type_ if step.spec.for_each is UNSET else ListType(type_)


def _check_step(draft: Draft, step: StepDraft, scope: Mapping[str, Type], found: list[Diagnostic]) -> StepDraft:
    entry = draft.given.language.catalogue.operators[step.operation.operator]
    fan_out: FanOut | None = None
    inner = dict(scope)
    for one in step.expressions:
        if one.use == "forEach":
            items = _check_expression(draft, one, scope, None, found)
            item = items.item if isinstance(items, ListType) else DYN
            if not isinstance(items, ListType) and items != DYN:
                help_ = "give it a list"
                found.append(
                    Diagnostic(
                        "for-each-not-a-list", f"`forEach` is a {show(items)}, not a list", one.node.span, help=help_
                    )
                )
            name = DEFAULT_ITEM if step.spec.as_ is UNSET else step.spec.as_
            inner[name] = item
            fan_out = FanOut(
                items=Template(holes=[Hole(at=[], cel=one.text)]),
                name=name,
                item_schema=schema_of_type(item),
                max_parallel=0 if step.spec.max_parallel is UNSET else step.spec.max_parallel,
            )
    for one in step.expressions:
        if one.use in {"if", "require"}:
            _check_expression(draft, one, scope, BOOL, found)
        elif one.use == "argument":
            inside = one.at[len(step.operation.at) :]
            schema = _schema_at(entry.arguments, inside)
            wanted = wanted_of_policy_input(draft, step, inside) or _wanted(schema)
            _check_expression(draft, one, inner, wanted, found)
    found += check_policy_input(draft, step)
    return replace(step, fan_out=fan_out)


def _check_expression(
    draft: Draft, one: Expression, scope: Mapping[str, Type], wanted: Type | None, found: list[Diagnostic]
) -> Type:
    checked = check(one.expr, scope, wanted=None if one.in_text else wanted)
    if checked.diagnostics:
        found += draft.in_document(one.node, checked.diagnostics)
        return DYN
    if one.in_text and _holds_artifact(checked.type):
        mistake = Diagnostic(
            "artifact-in-text",
            "an artifact cannot be written into text",
            one.expr.span,
            help="make it the whole value, such as `env: { REPORT: ${{ ... }} }`: it becomes the path of a copy",
        )
        found += draft.in_document(one.node, [mistake])
    return checked.type


def _holds_artifact(type_: Type) -> bool:
    return type_ == ARTIFACT or (isinstance(type_, ListType) and _holds_artifact(type_.item))


def _wanted(schema: JsonSchema) -> Type | None:
    if schema.get(HINTS, {}).get(ARTIFACT_ONLY):
        return ARTIFACT
    kind = schema.get("type")
    if kind == "array" and schema.get("items", {}).get(HINTS, {}).get(ARTIFACT_ONLY):
        return ListType(ARTIFACT)
    return _WANTED.get(str(kind))


def _schema_at(schema: JsonSchema, path: Path) -> JsonSchema:
    """The schema of the value at a path inside a value of `schema`; empty when it says nothing."""
    definitions = schema.get("$defs", {})
    part: Any = schema
    for step in (None, *path):
        if step is not None:
            inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
            part = part.get("additionalProperties", {}) if inner is None and isinstance(step, str) else inner or {}
        if not isinstance(part, dict):
            return {}
        if "$ref" in part:
            part = definitions.get(str(part["$ref"]).removeprefix("#/$defs/"), {})
    return dict(part)


def _schemas(draft: Draft) -> Iterator[Diagnostic]:
    if draft.capsule is None or draft.root is None:
        return
    spec = draft.capsule.spec
    for name, schema in spec.types.items():
        yield from check_value_schema(msgspec.to_builtins(schema), ("spec", "types", name), draft.root)
    for name, schema in spec.inputs.items():
        path: Path = ("spec", "inputs", name)
        yield from check_value_schema(msgspec.to_builtins(schema), path, draft.root)
        if schema.type == "artifact":
            help_ = "take the path as a string, and make it an artifact in a first step"
            yield Diagnostic("artifact-input", f"input `{name}` cannot be an artifact", draft.span(path), help=help_)
    for step in draft.steps.values():
        yield from _step_outputs_schemas(draft, step, draft.root)


def _step_outputs_schemas(draft: Draft, step: StepDraft, root: Node) -> Iterable[Diagnostic]:
    for name, schema in step.spec.outputs.items():
        path = (*step.path, "outputs", name)
        yield from check_value_schema(msgspec.to_builtins(schema), path, root)
        if schema.default is not UNSET:
            key = key_at(root, (*path, "default"))
            yield Diagnostic(
                "default-of-output",
                "an output has no default: the step gives it or fails",
                key.span if key else draft.span(path),
                help="remove `default`",
            )
        if schema.type == "artifact" and schema.path is UNSET:
            message = f"the artifact `{name}` has no `path`"
            help_ = "add `path:`, the file or folder in the step's working folder"
            yield Diagnostic("artifact-without-path", message, draft.span(path), help=help_)
