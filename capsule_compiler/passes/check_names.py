"""Every name that is used without an expression exists: needed steps, named types, policy sets, files beside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, structs
from msgspec.structs import replace

from somagent.capsule_compiler.beside import read_includes
from somagent.capsule_compiler.border import check_uses, given_outputs, runs_capsule
from somagent.capsule_compiler.catalogue import EXPRESSIONS, POLICY_SET
from somagent.capsule_compiler.chosen import choose_packages
from somagent.capsule_compiler.draft import STEPS, Draft, StepDraft, index_name, item_name
from somagent.capsule_compiler.environment import MEMBERS_OF_STEPS, RESERVED_NAMES
from somagent.capsule_compiler.plan import Template
from somagent.capsule_compiler.sub_capsules import read_capsules
from somagent.capsule_compiler.templates import TemplateReader
from somagent.capsule_compiler.used import read_used
from somagent.capsule_compiler.value_types import REF
from somagent.governance.cel.lexer import KEYWORDS, RESERVED
from somagent.governance.documents import MAX_MISTAKES, Diagnostic, Edit, Path, Span, nearest

_FAN_OUT_FIELDS = ("as", "indexAs", "maxParallel", "onItemFailure", "totalBudget")
NOT_NAMES = KEYWORDS | RESERVED
_BETWEEN = re.compile(r"\s*,\s*|\s*\n[ ]*-\s+")  # two items of a list, with nothing else there


def check_names(draft: Draft) -> Draft:
    """Resolves what is named, and reads the expressions, whose names the types decide on."""
    if draft.capsule is None:
        return draft
    draft = choose_packages(draft)
    draft = read_used(draft)
    draft = read_capsules(draft)
    draft = read_includes(draft)
    found: list[Diagnostic] = []
    steps = {}
    for step in draft.steps.values():
        if len(found) >= MAX_MISTAKES:
            steps[step.id] = structs.replace(step, outputs=_step_outputs(draft, step))
            continue
        found += _misnamed(draft, step)
        steps[step.id] = _with_expressions(draft, step, found)
    reader = TemplateReader(draft, "", ("spec",))
    outputs = {name: reader.template("output", ("outputs", name), text) for name, text in _outputs(draft).items()}
    found += reader.diagnostics
    found += _references(draft, steps)
    return replace(draft.reporting(found), steps=steps, outputs=outputs, output_expressions=tuple(reader.expressions))


def _misnamed(draft: Draft, step: StepDraft) -> Iterator[Diagnostic]:
    if step.spec.needs:
        yield from _needs(draft, step)
    yield from _fan_out_fields(draft, step)
    if step.spec.outputs:
        yield from _declared_outputs(draft, step)
    yield from _policy_set(draft, step)
    yield from check_uses(draft, step)


def _outputs(draft: Draft) -> dict[str, str]:
    return draft.capsule.spec.outputs if draft.capsule is not None else {}


def _with_expressions(draft: Draft, step: StepDraft, found: list[Diagnostic]) -> StepDraft:
    readings = draft.given.readings
    known = readings.read_step(step)
    if known is not None:
        return known
    before = len(found)
    reader = TemplateReader(draft, step.id, step.path)
    if step.spec.if_ is not UNSET:
        reader.bare("if", ("if",))
    if step.spec.require is not UNSET:
        reader.bare("require", ("require",))
    if step.spec.for_each is not UNSET and not reader.whole("forEach", ("forEach",)):
        help_ = "write a list as an expression, such as `${{ inputs.paths }}` or `${{ ['a', 'b'] }}`"
        span = draft.span((*step.path, "forEach"))
        found.append(Diagnostic("for-each-not-a-list", "`forEach` must be one `${{ }}`", span, help=help_))
    bare = frozenset([name for name, _ in draft.hinted(step, EXPRESSIONS)])
    arguments: Template = reader.template("argument", step.operation.at, step.operation.arguments, bare)
    found += reader.diagnostics
    outputs = _step_outputs(draft, step)
    read = structs.replace(step, outputs=outputs, arguments=arguments, expressions=tuple(reader.expressions))
    if len(found) == before and not runs_capsule(draft, step):
        readings.keep_step(step, read)
    return read


def _step_outputs(draft: Draft, step: StepDraft) -> dict[str, Any]:
    """The operator's own outputs, those of its capsule, and those that the author declares."""
    declared = {name: msgspec.to_builtins(schema) for name, schema in step.spec.outputs.items()}
    given = given_outputs(draft, step) if draft.capsules else {}
    return draft.entry(step).outputs | given | declared


def _needs(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    seen: set[str] = set()
    for index, name in enumerate(step.spec.needs):
        span = draft.span((*step.path, "needs", index))
        if name in seen:
            edit = _without_item(draft, (*step.path, "needs"), index)
            yield Diagnostic("need-twice", f"`{name}` is needed twice", span, help="remove one", edit=edit)
        elif name == step.id:
            yield Diagnostic("need-itself", f"step `{name}` cannot need itself", span, help="remove it")
        elif step.final:
            help_ = "`finally` steps run in the order of the text, after all others"
            yield Diagnostic("need-in-finally", "`needs` has no meaning in `finally`", span, help=help_)
        elif name in draft.steps and draft.steps[name].final:
            message = f"`{name}` is a `finally` step; it runs after all others"
            yield Diagnostic("need-of-finally", message, span, help=f"move `{name}` to `steps`")
        elif name not in draft.steps and name not in draft.broken:
            known = [one for one in draft.written(STEPS) if one not in draft.misnamed]
            near = nearest(name, known)
            yield Diagnostic(
                "unknown-need",
                f"the capsule has no step `{name}`",
                span,
                note=f"did you mean `{near}`?" if near else "",
                help="" if near else "steps: " + ", ".join(f"`{one}`" for one in known[:10]),
                edit=Edit(span, near, f"rename to `{near}`") if near else None,
            )
        seen.add(name)


def _without_item(draft: Draft, at: Path, index: int) -> Edit | None:
    """Takes an item that is not the first out of its list; comments are kept, or nothing is offered."""
    before, item = draft.span((*at, index - 1)), draft.span((*at, index))
    between = draft.source.text[before.end : item.start]
    return Edit(Span(before.end, item.end), "", "remove it", safe=True) if _BETWEEN.fullmatch(between) else None


def _fan_out_fields(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    spec = step.spec
    if spec.for_each is UNSET and "forEach" not in step.written:
        for key in () if step.written.isdisjoint(_FAN_OUT_FIELDS) else _FAN_OUT_FIELDS:
            if key in step.written:
                message = f"`{key}` has a meaning only beside `forEach`"
                span = draft.key_span((*step.path, key))
                yield Diagnostic("fan-out-field-alone", message, span, help="add `forEach:` or remove it")
        return
    for key, name in (("as", spec.as_), ("indexAs", spec.index_as)):
        if name is not UNSET and name in RESERVED_NAMES | NOT_NAMES:
            span = draft.span((*step.path, key))
            message = f"`{name}` is taken: expressions use it for something else"
            yield Diagnostic("reserved-name", message, span, help="call it something else")
    if item_name(step) == index_name(step):
        key = "indexAs" if spec.index_as is not UNSET else "as"
        message = f"an item and its place in the list are both called `{item_name(step)}`"
        help_ = (
            "call the place something else: `indexAs: position`" if key == "as" else "call one of them something else"
        )
        yield Diagnostic("item-and-index-alike", message, draft.span((*step.path, key)), help=help_)


def _declared_outputs(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    entry = draft.entry(step)
    for name in step.spec.outputs:
        if name in MEMBERS_OF_STEPS:
            message = f"an output cannot be called `{name}`: expressions find there how the step went"
            span = draft.key_span((*step.path, "outputs", name))
            yield Diagnostic("reserved-output", message, span, help=f"call it something else, such as `{name}_given`")
    if step.spec.outputs and not entry.declares_outputs:
        gives = ", ".join(f"`{name}`" for name in (entry.outputs | given_outputs(draft, step))) or "none"
        yield Diagnostic(
            "outputs-not-declarable",
            f"a {entry.name} step's outputs are fixed: {gives}",
            draft.key_span((*step.path, "outputs")),
            help="remove `outputs`",
        )


def _policy_set(draft: Draft, step: StepDraft) -> Iterable[Diagnostic]:
    arguments = step.operation.arguments
    for name, _ in draft.hinted(step, POLICY_SET):
        known = draft.written(("spec", "uses", "policies"))
        wanted = arguments.get(name)
        if isinstance(wanted, str) and wanted not in known:
            span = draft.span((*step.path, *step.operation.at, name))
            near = nearest(wanted, known)
            yield Diagnostic(
                "unknown-policy-set",
                f"the capsule uses no policy set `{wanted}`",
                span,
                note=f"did you mean `{near}`?" if near else "",
                help="" if near else f"add `{wanted}: ./FILE.yaml` under `spec.uses.policies`",
                edit=Edit(span, near, f"use `{near}`") if near else None,
            )


def _references(draft: Draft, steps: Mapping[str, StepDraft]) -> Iterable[Diagnostic]:
    """Every `$ref` of the document names a type."""
    if draft.capsule is None:
        return
    spec, known = draft.capsule.spec, draft.written(("spec", "types"))
    places: list[tuple[Path, Any]] = [
        (("spec", section, name), msgspec.to_builtins(schema))
        for section, schemas in (("inputs", spec.inputs), ("types", spec.types))
        for name, schema in schemas.items()
    ]
    places += [
        ((*step.path, "outputs", name), step.outputs[name]) for step in steps.values() for name in step.spec.outputs
    ]
    for path, schema in places:
        for at, reference in _refs(schema, path):
            name = reference.removeprefix(REF)
            if name not in known:
                span = draft.span((*at, "$ref"))
                near = nearest(name, known)
                yield Diagnostic(
                    "unknown-type",
                    f"the capsule has no type `{name}`",
                    span,
                    note=f"did you mean `{near}`?" if near else "",
                    help="" if near else "declare it under `spec.types`",
                    edit=Edit(span, f'"{REF}{near}"', f"use `{near}`") if near else None,
                )


def _refs(schema: Any, path: Path) -> Iterable[tuple[Path, str]]:
    if "$ref" in schema:
        yield path, schema["$ref"]
    if "items" in schema:
        yield from _refs(schema["items"], (*path, "items"))
    for name, part in schema.get("properties", {}).items():
        yield from _refs(part, (*path, "properties", name))
