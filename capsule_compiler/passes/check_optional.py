"""What may be absent is asked for before it is read: optional properties, outputs of items that may have failed."""

from __future__ import annotations

from collections.abc import Iterator

from somagent.capsule_compiler.absent_values import with_default
from somagent.capsule_compiler.draft import Draft, Expression, item_name
from somagent.capsule_compiler.environment import ERROR_MEMBER
from somagent.capsule_compiler.optional_reads import (
    NOTHING,
    Facts,
    OptionalRead,
    facts_of,
    facts_of_items,
    optional_reads,
)
from somagent.governance.cel import write
from somagent.governance.documents import MAX_MISTAKES, Diagnostic


def check_optional(draft: Draft) -> Draft:
    """Reports reads of members that may not be there, unless something has asked for them."""
    if not draft.optional:  # as in most capsules
        return draft
    found: list[Diagnostic] = []
    naming = {step for step, _, _ in draft.optional}
    for step in draft.steps.values():
        if step.id not in naming:
            continue
        facts = {"if": NOTHING, "require": NOTHING, "forEach": NOTHING, "argument": NOTHING}
        for one in step.expressions:  # `if` comes first, then `require`, then `forEach`
            if len(found) >= MAX_MISTAKES:
                return draft.reporting(found)
            found += _in_expression(draft, one, facts[one.use])
            if one.use == "forEach":
                facts["argument"] |= facts_of_items(one.expr, item_name(step))
            elif one.use in {"if", "require"}:
                sure = facts_of(one.expr, value=True)
                facts = {use: names if use == "if" else names | sure for use, names in facts.items()}
    for one in draft.output_expressions:
        found += _in_expression(draft, one, NOTHING)
    return draft.reporting(found)


def _in_expression(draft: Draft, one: Expression, known: Facts) -> Iterator[Diagnostic]:
    members = draft.optional.get(one.key)
    if members is None or one.key in draft.untyped:
        return
    for read in optional_reads(one.expr, {id(member.expr): member for member in members}, known):
        (placed,) = draft.in_document(one, [_mistake(draft, one, read)])
        yield placed


def _mistake(draft: Draft, one: Expression, found: OptionalRead) -> Diagnostic:
    read = found.member.expr
    whole, owner = write(read), write(read.operand)
    if not found.collected:
        message = f"`{read.field}` may be absent; say what happens then"
        written = with_default(draft, one, read.span, whole, found.member.type)
        help_ = f"write `{written}`, or add `{read.field}` to `required` in its schema"
        return Diagnostic("read-of-optional", message, read.field_span, help=help_)
    if read.field == ERROR_MEMBER:
        message = "an item that did not fail has no `error`; say what happens then"
        help_ = f"take those that failed: `.filter({owner}, has({whole}))`"
    else:
        message = f"an item that failed has no `{read.field}`; say what happens then"
        written = with_default(draft, one, read.span, whole, found.member.type)
        help_ = f"take those that succeeded: `.filter({owner}, has({whole}))`" + (
            f", or write `{written}`" if written else ""
        )
    return Diagnostic("read-of-collected", message, read.field_span, help=help_)
