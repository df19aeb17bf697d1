"""What may be absent is asked for before it is read: optional properties, outputs of items that may have failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.absent_values import with_default
from somagent.capsule_compiler.draft import Draft, Expression, item_name
from somagent.capsule_compiler.environment import ERROR_MEMBER
from somagent.capsule_compiler.optional_reads import NOTHING, OptionalRead, facts_of, facts_of_items, optional_reads
from somagent.governance.cel import DYN, Type, write
from somagent.governance.documents import MAX_MISTAKES, Diagnostic

JsonSchema = Mapping[str, Any]
_WORD = re.compile(r"\w+")


def check_optional(draft: Draft) -> Draft:
    """Reports reads of members that may not be there, unless something has asked for them."""
    if draft.capsule is None:
        return draft
    optional = _optional_names(draft)
    if not optional:
        return draft
    found: list[Diagnostic] = []
    for step in draft.steps.values():
        facts = {"if": NOTHING, "require": NOTHING, "forEach": NOTHING, "argument": NOTHING}
        for one in step.expressions:  # `if` comes first, then `require`, then `forEach`
            if len(found) >= MAX_MISTAKES:
                return draft.reporting(found)
            inner = facts[one.use]
            found += _in_expression(draft, one, optional, inner)
            if one.use == "forEach":
                facts["argument"] |= facts_of_items(one.expr, item_name(step))
            elif one.use in {"if", "require"}:
                sure = facts_of(one.expr, value=True)
                facts = {use: names if use == "if" else names | sure for use, names in facts.items()}
    for one in draft.output_expressions:
        found += _in_expression(draft, one, optional, NOTHING)
    return draft.reporting(found)


def _in_expression(draft: Draft, one: Expression, optional: frozenset[str], known: Any) -> Iterator[Diagnostic]:
    if optional.isdisjoint(_WORD.findall(one.text)) and "`" not in one.text:
        return
    scopes = draft.scopes.get(one.step)
    if scopes is None or one.key in draft.untyped:
        return
    types = draft.given.readings.node_types(one.reading, scopes.inner if one.use == "argument" else scopes.outer)
    for read in optional_reads(one.expr, types, known):
        (placed,) = draft.in_document(one, [_mistake(draft, one, read, types)])
        yield placed


def _mistake(draft: Draft, one: Expression, found: OptionalRead, types: Mapping[int, Type]) -> Diagnostic:
    read = found.read
    whole, owner = write(read), write(read.operand)
    if not found.collected:
        message = f"`{read.field}` may be absent; say what happens then"
        written = with_default(draft, one, read.span, whole, types.get(id(read), DYN))
        help_ = f"write `{written}`, or add `{read.field}` to `required` in its schema"
        return Diagnostic("read-of-optional", message, read.field_span, help=help_)
    if read.field == ERROR_MEMBER:
        message = "an item that did not fail has no `error`; say what happens then"
        help_ = f"ask first: `.filter({owner}, has({whole}))`, or `has({whole}) ? ... : ...`"
    else:
        message = f"an item that failed has no `{read.field}`; say what happens then"
        help_ = f"take those that succeeded, `.filter({owner}, has({whole}))`, or write `has({whole}) ? ... : ...`"
    return Diagnostic("read-of-collected", message, read.field_span, help=help_)


def _optional_names(draft: Draft) -> frozenset[str]:
    """Every name that a member which may be absent has somewhere in the capsule: most capsules have none."""
    if draft.capsule is None:
        return frozenset()
    spec = draft.capsule.spec
    names: set[str] = set()
    for schema in (*spec.inputs.values(), *spec.types.values()):
        names.update(_optional_in(msgspec.to_builtins(schema)))
    for step in draft.steps.values():
        outputs = step.outputs
        for output in outputs.values():
            names.update(_optional_in(output))
        if step.spec.for_each is not UNSET and step.spec.on_item_failure == "collect":
            names.update(outputs, {ERROR_MEMBER})
    return frozenset(names)


def _optional_in(schema: JsonSchema) -> Iterator[str]:
    properties: Mapping[str, JsonSchema] = schema.get("properties") or {}
    for name, part in properties.items():
        if name not in schema.get("required", ()):
            yield name
        yield from _optional_in(part)
    if "items" in schema:
        yield from _optional_in(schema["items"])
