"""The tree against the capsule's JSON Schema; what is sound becomes a typed model, what is not is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from somagent.capsule_compiler.catalogue import UNKNOWN
from somagent.capsule_compiler.draft import FINALLY, STEPS, Draft, StepDraft
from somagent.capsule_compiler.github_actions import from_github_actions
from somagent.capsule_compiler.head import another_kind, with_one_beginning
from somagent.capsule_compiler.language import Language
from somagent.capsule_compiler.model.capsule import Capsule, Operation, Step
from somagent.capsule_compiler.schema import OPERATOR_KEY
from somagent.capsule_compiler.step_lists import with_listed_steps
from somagent.capsule_compiler.unchanged import StepText, texts_of_steps
from somagent.capsule_compiler.value_types import REF
from somagent.governance.documents import (
    BAD,
    MAX_MISTAKES,
    Diagnostic,
    Edit,
    Entry,
    Label,
    MappingNode,
    Node,
    Path,
    ShapeCheck,
    Source,
    Span,
    key_at,
    nearest,
    node_at,
)

MAX_STEPS = 5000
_SOUND_HEAD = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule", "metadata": {"name": "unnamed"}}


def check_shape(draft: Draft) -> Draft:
    """The typed model of everything that has the right form."""
    if draft.root is None:
        return draft
    root, listed = with_listed_steps(draft.source, draft.root)
    readings = draft.given.readings
    texts = list(texts_of_steps(draft.source, root)) if readings.lasting and not listed else []
    unchanged = {id(node): step for text, node in texts if (step := readings.steps.get(text)) is not None}
    checker = ShapeCheck(draft.source, templates=True, wrong_names=True, elsewhere=from_github_actions, known=unchanged)
    value = checker.check(root, draft.given.language.capsule, ())
    found = [*listed, *checker.diagnostics]
    other = another_kind(root, found)
    if other:
        return replace(draft, root=root).reporting(other)
    if value is BAD:  # the head is wrong; what the steps say is looked at all the same
        value = {**_SOUND_HEAD, **checker.partial.get((), {})}
    if "spec" not in value:
        value["spec"] = checker.partial.get(("spec",), {})
    core = [entry.name for entry in draft.given.language.catalogue.operators.values() if entry.core]
    reading = _Reading(draft.source, root, draft.given.language, checker, found, frozenset([OPERATOR_KEY, *core]))
    steps: dict[str, StepDraft] = {}
    for section in (STEPS, FINALLY):
        nodes = _entries(root, section)
        for step_id, fields in value["spec"].get(section[1], {}).items():
            path = (*section, step_id)
            if step_id in steps:
                found.append(_named_twice(root, path, steps[step_id].path))
                continue
            if isinstance(fields, StepDraft):
                steps[step_id] = fields
                continue
            node = nodes[step_id].value
            keys = list(node.entries) if isinstance(node, MappingNode) else []
            operation = _operation(reading, path, fields, keys)
            if operation is None:  # what else it says is looked at all the same
                operation = Operation(operator=UNKNOWN.name, arguments={}, at=("",))
            spec = msgspec.convert(fields, Step)
            steps[step_id] = StepDraft(step_id, path, spec, operation, section is FINALLY, frozenset(keys))
    unclear = {step.id for step in steps.values() if step.operation.operator == UNKNOWN.name}
    _keep_sound(draft, texts, {name: step for name, step in steps.items() if name not in unclear}, found)
    found += _count(root)
    ids = {str(key) for section in (STEPS, FINALLY) for key in _keys(root, section)}
    value["spec"] |= {"steps": {}, "finally": {}}  # they have become drafts of their own
    capsule = msgspec.convert(value, Capsule)
    broken = frozenset(ids - set(steps) | unclear)
    misnamed = frozenset(str(path[-1]) for path in checker.misnamed)
    said = with_one_beginning(root, _without_echoes(draft, found, checker))
    draft = replace(draft, root=root, capsule=capsule, steps=steps, broken=broken, misnamed=misnamed)
    return _without_quotes_for_no_field(draft, found).reporting(said)


def _keep_sound(
    draft: Draft, texts: list[tuple[StepText, MappingNode]], steps: dict[str, StepDraft], found: list[Diagnostic]
) -> None:
    """Keeps the steps without a mistake for the next time that the text is checked."""
    if len(found) >= MAX_MISTAKES:
        return  # not all of them were said
    for text, node in texts:
        step = steps.get(str(text.path[-1]))
        wrong = any(node.span.start <= one.span.start <= node.span.end for one in found)
        if step is not None and step.path == text.path and not wrong:
            draft.given.readings.steps.keep(text, step)


def _without_echoes(draft: Draft, found: list[Diagnostic], checker: ShapeCheck) -> list[Diagnostic]:
    """A name of the wrong form is said where it is declared, and not again where it is used."""
    if not checker.misnamed:
        return found
    names, declared = {str(path[-1]) for path in checker.misnamed}, set(checker.misnamed.values())
    text = draft.source.text

    def echo(one: Diagnostic) -> bool:
        used = text[one.span.start : one.span.end].strip("'\"").removeprefix(REF)
        return one.name == "not-in-form" and used in names and one.span not in declared

    return [one for one in found if not echo(one)]


def _without_quotes_for_no_field(draft: Draft, found: list[Diagnostic]) -> Draft:
    """What is no field at all need not be quoted first."""
    nothing = {one.span for one in found if one.name == "unknown-field"}
    kept = tuple(one for one in draft.diagnostics if one.name != "yaml-ambiguous" or one.span not in nothing)
    return draft if len(kept) == len(draft.diagnostics) else replace(draft, diagnostics=kept)


class _Reading(NamedTuple):
    """What the steps of one capsule are read with, and what is wrong with them."""

    source: Source
    root: Node
    language: Language
    checker: ShapeCheck
    found: list[Diagnostic]
    operators: frozenset[str]  # the keys that say what a step does


def _operation(reading: _Reading, path: Path, fields: dict[str, Any], keys: Sequence[str]) -> Operation | None:
    """Takes the operator's key out of a step's fields; of wrong arguments, those that are sound."""
    root, language, checker, found = reading.root, reading.language, reading.checker, reading.found
    written = [key for key in keys if key in reading.operators]
    values = {key: fields.pop(key) for key in written if key in fields}
    if len(written) > 1:
        found.append(_several_operators(root, path, written))
        return None
    if not written:
        if path not in checker.unknown_fields_at:  # one of which was meant to be the operator
            found.append(_no_operator(root, path, language))
        return None
    key = written[0]
    if key != OPERATOR_KEY:
        if isinstance(values.get(key), str):
            found.append(_one_expression(root, (*path, key)))
            return None
        arguments = values[key] if key in values else checker.partial.get((*path, key), {})
        return Operation(operator=key, arguments=arguments, at=(key,))
    if key not in values:
        return None
    return _foreign(reading, (*path, OPERATOR_KEY), values[key])


def _foreign(reading: _Reading, path: Path, value: Any) -> Operation | None:
    source, root, language, found = reading.source, reading.root, reading.language, reading.found
    name = value["name"]
    if name not in language.arguments:
        near = nearest(name, language.arguments)
        span = _span(root, (*path, "name"))
        found.append(
            Diagnostic(
                "unknown-operator",
                f"no operator `{name}` is installed",
                span,
                note=f"did you mean `{near}`?" if near else "",
                help="installed: " + ", ".join(f"`{one}`" for one in sorted(language.arguments)),
                edit=Edit(span, near, f"use `{near}`") if near else None,
            )
        )
        return None
    at: Path = (*path, "with")
    node = node_at(root, at)
    checker = ShapeCheck(source, templates=True, inside=True)
    arguments = checker.check(node or MappingNode(_span(root, path)), language.arguments[name], at)
    found += checker.diagnostics
    if isinstance(arguments, str):
        found.append(_one_expression(root, at))
        return None
    return None if arguments is BAD else Operation(operator=name, arguments=arguments, at=(OPERATOR_KEY, "with"))


def _one_expression(root: Node, path: Path) -> Diagnostic:
    message = "the arguments of an operator cannot be one expression"
    help_ = "write them out, with `${{ }}` for their values"
    return Diagnostic("no-expression-here", message, _span(root, path), help=help_)


def _no_operator(root: Node, path: Path, language: Language) -> Diagnostic:
    keys = [name for name, entry in language.catalogue.operators.items() if entry.core]
    return Diagnostic(
        "no-operator",
        f"step `{path[-1]}` does not say what it does",
        _key_span(root, path),
        help="give it one of " + ", ".join(f"`{key}:`" for key in [*sorted(keys), OPERATOR_KEY]),
    )


def _several_operators(root: Node, path: Path, written: list[str]) -> Diagnostic:
    return Diagnostic(
        "several-operators",
        f"step `{path[-1]}` has {len(written)} operators; a step does one thing",
        _key_span(root, (*path, written[1])),
        labels=(Label(_key_span(root, (*path, written[0])), "the first is here"),),
        help="make a step of each",
    )


def _named_twice(root: Node, path: Path, first: Path) -> Diagnostic:
    return Diagnostic(
        "duplicate-step",
        f"`{path[-1]}` is the id of two steps",
        _key_span(root, path),
        labels=(Label(_key_span(root, first), "first here"),),
        help="rename one of the two; `finally` shares its names with `steps`",
    )


def _count(root: Node) -> list[Diagnostic]:
    node = node_at(root, STEPS)
    steps = node.entries if isinstance(node, MappingNode) else {}
    if isinstance(node, MappingNode) and not steps:
        help_ = "write at least one, such as `hello: { script: { run: echo hello } }`"
        return [Diagnostic("no-steps", "the capsule has no steps", _key_span(root, STEPS), help=help_)]
    count = len(steps) + len(_keys(root, FINALLY))
    if count > MAX_STEPS:
        message = f"{count:,} steps; a capsule may have {MAX_STEPS:,}"
        help_ = "use a `forEach`, or make several capsules of it"
        return [Diagnostic("too-many-steps", message, _key_span(root, STEPS), help=help_)]
    return []


def _entries(root: Node, path: Path) -> Mapping[str, Entry]:
    node = node_at(root, path)
    return node.entries if isinstance(node, MappingNode) else {}


def _keys(root: Node, path: Path) -> list[str]:
    return list(_entries(root, path))


def _span(root: Node, path: Path) -> Span:
    node = node_at(root, path)
    return node.span if node is not None else root.span


def _key_span(root: Node, path: Path) -> Span:
    key = key_at(root, path)
    return key.span if key is not None else root.span
