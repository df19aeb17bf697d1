"""Every value has a type before it exists: schemas are sound, and every expression fits its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import Any

import msgspec
from msgspec import UNSET, structs
from msgspec.structs import replace

from somagent.capsule_compiler.amounts import check_amounts
from somagent.capsule_compiler.argument_types import argument_type
from somagent.capsule_compiler.border import (
    check_used_input,
    child_of,
    runs_capsule,
    types_across,
    wanted_of_used_input,
)
from somagent.capsule_compiler.draft import (
    STEPS,
    Draft,
    Expression,
    ExpressionKey,
    Scopes,
    StepDraft,
    index_name,
    item_name,
)
from somagent.capsule_compiler.environment import (
    WAYS_TO_END,
    inputs_type,
    outputs_type,
    run_type,
    secrets_type,
    steps_type,
    with_statuses,
)
from somagent.capsule_compiler.in_our_words import Here, in_our_words
from somagent.capsule_compiler.lists_of_one import list_of_one
from somagent.capsule_compiler.plan import FanOut, Hole, Template
from somagent.capsule_compiler.policy_inputs import check_policy_input, wanted_of_policy_input
from somagent.capsule_compiler.sub_budgets import check_sub_budgets
from somagent.capsule_compiler.templates import expression_in_braces
from somagent.capsule_compiler.value_schemas import SchemaCheck
from somagent.capsule_compiler.value_types import ARTIFACT, ValueTypes
from somagent.governance.cel import BOOL, DYN, INT, STRING, ListType, OptionalMember, Type, check, show
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Edit, Path, Span

JsonSchema = dict[str, Any]
_LETS_OTHERS_RUN = 'it is "Succeeded" or "Skipped"'
_READS = re.compile(r"(steps|inputs|run)(\.[A-Za-z_][A-Za-z0-9_]*)+")


class _Found(list[Diagnostic]):
    """What is wrong, the expressions of which nothing more can be said because of it, and what may be absent."""

    def __init__(self, found: Iterable[Diagnostic]) -> None:
        super().__init__(found)
        self.untyped: set[ExpressionKey] = set()
        self.optional: dict[ExpressionKey, tuple[OptionalMember, ...]] = {}


def check_types(draft: Draft) -> Draft:
    """Types everything; each fan-out learns its item's type, the capsule its outputs' schemas."""
    if draft.capsule is None:
        return draft
    schemas = {name: msgspec.to_builtins(schema) for name, schema in draft.capsule.spec.types.items()}
    types = ValueTypes(schemas | types_across(draft))
    found = _Found([*_schemas(draft, schemas), *check_amounts(draft), *check_sub_budgets(draft)])
    scope = _scope(draft, types)
    final_scope = {**scope, "run": run_type(final=True)}
    if any(step.final and any("status" in one.text for one in step.expressions) for step in draft.steps.values()):
        final_scope["steps"] = with_statuses(scope["steps"], WAYS_TO_END)
    steps: dict[str, StepDraft] = {}
    scopes = {"": Scopes(scope, scope)}
    for step in draft.steps.values():
        if len(found) >= MAX_MISTAKES:
            return draft.reporting(found)
        outer = final_scope if step.final else scope
        steps[step.id], inner = _check_step(draft, step, outer, types, found)
        scopes[step.id] = Scopes(outer, inner)
    outputs = _outputs(draft, scope, found)
    output_schemas = {name: types.schema_of(type_) for name, type_ in outputs.items()}
    draft = replace(draft.reporting(found), untyped=frozenset(found.untyped), optional=found.optional)
    return replace(draft, steps=steps, output_schemas=output_schemas, scopes=scopes)


def _scope(draft: Draft, types: ValueTypes) -> dict[str, Type]:
    """What expressions may name. What is there with a mistake inside is of any type, so that it is said once."""
    spec = draft.capsule.spec if draft.capsule is not None else None
    inputs: dict[str, JsonSchema] = {name: {} for name in draft.written(("spec", "inputs"))}
    inputs |= {name: msgspec.to_builtins(schema) for name, schema in spec.inputs.items()} if spec else {}
    secrets = secrets_type(draft.written(("spec", "uses", "secrets")))
    steps = {step.id: _step_type(draft, step, types) for step in draft.steps.values()}
    steps |= dict.fromkeys([*_written_twice(draft), *sorted(draft.broken)], DYN)
    known = steps_type(steps) if draft.written(STEPS) else DYN  # that there are none has been said
    return {"inputs": inputs_type(inputs, types), "steps": known, "run": run_type(final=False), "secrets": secrets}


def _written_twice(draft: Draft) -> list[str]:
    """Steps whose key stands there twice: which outputs are meant, nobody knows."""
    firsts = {label.span for one in draft.diagnostics if one.name == "duplicate-key" for label in one.labels}
    return [step.id for step in draft.steps.values() if draft.key_span(step.path) in firsts] if firsts else []


def _step_type(draft: Draft, step: StepDraft, types: ValueTypes) -> Type:
    if runs_capsule(draft, step) and child_of(draft, step) is None:
        return DYN  # the capsule has mistakes, which was said
    written = draft.written((*step.path, "outputs")) if "outputs" in step.written else ()
    outputs: dict[str, JsonSchema] = {name: {} for name in written}
    collected = step.spec.on_item_failure == "collect"
    type_ = outputs_type(step.id, outputs | step.outputs, types, collected=collected)
    if step.spec.for_each is not UNSET:
        return ListType(type_)
    return DYN if "forEach" in step.written else type_


def _check_step(
    draft: Draft, step: StepDraft, scope: Mapping[str, Type], types: ValueTypes, found: _Found
) -> tuple[StepDraft, Mapping[str, Type]]:
    entry = draft.entry(step)
    fan_out: FanOut | None = None
    inner = scope
    for one in step.expressions:
        if one.use == "forEach":
            item = _item_type(draft, one, scope, found)
            fan_out = _fan_out(step, one, types.schema_of(item))
            inner = {**scope, fan_out.index: INT, fan_out.name: item}
    if fan_out is None and "forEach" in step.written:  # with a mistake in it, which was said
        inner = {**scope, index_name(step): INT, item_name(step): DYN}
    for one in step.expressions:
        if one.use in {"if", "require"}:
            before = len(found)
            _check_expression(draft, one, scope, BOOL, found)
            if one.in_braces:
                found.append(expression_in_braces(draft, one, sound=len(found) == before))
        elif one.use == "argument":
            inside = one.at[len(step.operation.at) :]
            wanted = wanted_of_policy_input(draft, step, inside) or wanted_of_used_input(draft, step, inside)
            wanted = wanted or argument_type(entry, inside)
            _check_expression(draft, one, inner, wanted, found)
    found += check_policy_input(draft, step)
    found += check_used_input(draft, step)
    return (step if fan_out is None else structs.replace(step, fan_out=fan_out)), inner


def _item_type(draft: Draft, one: Expression, scope: Mapping[str, Type], found: _Found) -> Type:
    items = _check_expression(draft, one, scope, None, found)
    if isinstance(items, ListType):
        return items.item
    if items != DYN:
        mistake = Diagnostic(
            "for-each-not-a-list",
            f"`forEach` needs a list, and this is {show(items)}",
            one.expr.span,
            help="give it a list; one made of single values is written `${{ [a, b] }}`",
        )
        found += draft.in_document(one, [mistake])
    return DYN


def _fan_out(step: StepDraft, one: Expression, item_schema: JsonSchema) -> FanOut:
    return FanOut(
        items=Template(holes=[Hole(at=[], cel=one.text)]),
        name=item_name(step),
        index=index_name(step),
        item_schema=item_schema,
        max_parallel=0 if step.spec.max_parallel is UNSET else step.spec.max_parallel,
        on_failure="fail" if step.spec.on_item_failure is UNSET else step.spec.on_item_failure,
    )


def _check_expression(
    draft: Draft, one: Expression, scope: Mapping[str, Type], wanted: Type | None, found: _Found
) -> Type:
    wants = None if one.in_text else wanted
    if one.use == "argument" or wants == BOOL:
        checked = draft.given.readings.check(one.reading, scope, wants)
    else:  # the type is the capsule's own, and may have a name there
        checked = check(one.expr, scope, wanted=wants)
    if checked.optional:
        found.optional[one.key] = found.optional.get(one.key, ()) + checked.optional
    if checked.diagnostics:
        if any(mistake.name.startswith("unknown-") for mistake in checked.diagnostics):
            found.untyped.add(one.key)
        mistakes = draft.in_document(one, _with_ways_out(draft, one, scope, checked.diagnostics))
        if isinstance(wants, ListType) and [mistake.name for mistake in mistakes] == ["type-mismatch"]:
            alone = check(one.expr, scope, wanted=wants.item)
            mistakes = mistakes if alone.diagnostics else [list_of_one(draft.source, draft.scalar(one), mistakes[0])]
        found += mistakes
        return DYN
    if one.in_text:
        found += _rendered(draft, one, checked.type, wanted)
    return checked.type


def _with_ways_out(
    draft: Draft, one: Expression, scope: Mapping[str, Type], mistakes: Iterable[Diagnostic]
) -> list[Diagnostic]:
    step = draft.steps.get(one.step)
    item = item_name(step) if step is not None else ""
    here = Here(scope, step is not None and step.final, item if item in scope else "")
    return [_with_way_out(in_our_words(mistake, one.expr, here)) for mistake in mistakes]


def _with_way_out(mistake: Diagnostic) -> Diagnostic:
    if mistake.name == "unknown-run-field" and mistake.message.endswith("`phase`"):
        return replace(mistake, help="how the run has ended is known in `finally` only", note="", edit=None)
    if mistake.name == "never-equal" and mistake.help == _LETS_OTHERS_RUN:
        return replace(mistake, help=f"{mistake.help} here; how others ended is known in `finally` only")
    if mistake.name == "unknown-secret":  # which secret is handed over is decided by a person, never mended
        return replace(mistake, edit=None)
    return mistake


def _rendered(draft: Draft, one: Expression, type_: Type, wanted: Type | None) -> list[Diagnostic]:
    """What is wrong with an expression that becomes a part of a text."""
    if wanted is not None and wanted not in {DYN, STRING}:
        message = f"this is text with an expression in it, but {show(wanted)} is wanted here"
        help_ = "make `${{ }}` the whole value; below `|` or `>` a value ends with a line break, below `|-` it does not"
        return [Diagnostic("type-mismatch", message, draft.scalar(one).span, help=help_)]
    if not _holds_artifact(type_):
        return []
    help_ = "make it the whole value, such as `env: { REPORT: ${{ ... }} }`: it becomes the path of a copy"
    mistake = Diagnostic("artifact-in-text", "an artifact cannot be written into text", one.expr.span, help=help_)
    return draft.in_document(one, [mistake])


def _holds_artifact(type_: Type) -> bool:
    return type_ == ARTIFACT or (isinstance(type_, ListType) and _holds_artifact(type_.item))


def _outputs(draft: Draft, scope: Mapping[str, Type], found: _Found) -> dict[str, Type]:
    outputs: dict[str, Type] = {}
    for one in draft.output_expressions:
        type_ = _check_expression(draft, one, scope, None, found)
        outputs[str(one.at[-1])] = STRING if one.in_text else type_
    for name, template in draft.outputs.items():
        if not template.holes and template.value is not None:
            span = draft.span(("spec", "outputs", name))
            found.append(_constant_output(name, template.value, span))
    return outputs


def _constant_output(name: str, value: object, span: Span) -> Diagnostic:
    message, edit = f"output `{name}` is a constant", None
    help_ = "an output's value is an expression: `${{ steps.NAME.OUTPUT }}`"
    if isinstance(value, str) and _READS.fullmatch(value):
        meant = f"${{{{ {value} }}}}"
        edit = Edit(span, f'"{meant}"', f"write {meant}")
        help_ = f"write `{meant}` to read it"
    return Diagnostic("constant-output", message, span, help=help_, edit=edit)


def _schemas(draft: Draft, types: Mapping[str, JsonSchema]) -> Iterator[Diagnostic]:
    if draft.capsule is None or draft.root is None:
        return
    check_schema = SchemaCheck(draft.source, draft.root, types)
    for name, named in types.items():
        yield from check_schema.check(named, ("spec", "types", name))
    yield from check_schema.endless()
    for name, schema in draft.capsule.spec.inputs.items():
        path: Path = ("spec", "inputs", name)
        yield from check_schema.check(msgspec.to_builtins(schema), path)
        if schema.type == "artifact":
            help_ = "take the path as a string, and make it an artifact in a first step"
            span = draft.span((*path, "type"))
            yield Diagnostic("artifact-input", f"input `{name}` cannot be an artifact", span, help=help_)
    for step in draft.steps.values():
        for name, schema in step.spec.outputs.items():
            path = (*step.path, "outputs", name)
            yield from check_schema.check(step.outputs[name], path)
            yield from _of_outputs_only(draft, schema, path, by_path=draft.entry(step).artifacts_by_path)


def _of_outputs_only(draft: Draft, schema: Any, path: Path, *, by_path: bool) -> Iterator[Diagnostic]:
    if schema.default is not UNSET:
        message = "an output has no default: the step gives it or fails"
        yield Diagnostic("default-of-output", message, draft.key_span((*path, "default")), help="remove `default`")
    if schema.type == "artifact" and schema.path is UNSET and by_path:
        message = f"the artifact `{path[-1]}` has no `path`"
        help_ = "add `path:`, the file or folder in the step's working folder"
        yield Diagnostic("artifact-without-path", message, draft.span((*path, "type")), help=help_)
    if schema.type == "artifact" and isinstance(schema.path, str) and _leads_out(schema.path):
        message = f"`{schema.path}` is not inside the step's working folder"
        help_ = "write a path from there, such as `report.html`; what lies elsewhere, the script copies there first"
        yield Diagnostic("artifact-path-outside", message, draft.span((*path, "path")), help=help_)


def _leads_out(path: str) -> bool:
    inner = normpath(path)
    return path.startswith("/") or inner == ".." or inner.startswith("../") or "\0" in path
