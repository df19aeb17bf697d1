"""A reference is an edge: authors write `needs` only for order without data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import structs
from msgspec.structs import replace

from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.governance.documents import Diagnostic


def infer_edges(draft: Draft) -> Draft:
    """Every step knows which steps it waits for, and whether for data or for order."""
    ordinary = {step.id for step in draft.steps.values() if not step.final}
    finals = {step.id: rank for rank, step in enumerate(step for step in draft.steps.values() if step.final)}
    found: list[Diagnostic] = []
    for step in draft.steps.values():
        rank = finals.get(step.id, 0)
        for one in step.expressions:
            misplaced = list(_misplaced(one, finals, rank))
            if misplaced:
                found += draft.in_document(one, misplaced)
    for one in draft.output_expressions:
        found += draft.in_document(one, list(_misplaced(one, finals, len(finals))))
    steps = {step.id: _with_needs(step, ordinary) for step in draft.steps.values()}
    return replace(draft.reporting(found), steps=steps)


def _misplaced(one: Expression, finals: dict[str, int], rank: int) -> Iterator[Diagnostic]:
    """`steps` as a whole, and steps of `finally` that have not run when the expression is evaluated."""
    for reference in one.reads:
        names = reference.names
        if names[0] != "steps":
            continue
        if len(names) == 1:
            help_ = "name a step: `steps.NAME.OUTPUT`; which steps the expression waits for must be known"
            yield Diagnostic("steps-as-value", "`steps` is not a value", reference.span, help=help_)
        elif finals.get(names[1], -1) >= rank:
            message = f"`{names[1]}` is a `finally` step, and runs after this"
            help_ = "steps of `finally` run after all others, in the order of the text"
            yield Diagnostic("need-of-finally", message, reference.spans[1], help=help_)


def _with_needs(step: StepDraft, ordinary: set[str]) -> StepDraft:
    if step.final:
        return step  # `finally` waits for everything
    needs: dict[str, Literal["data", "order"]] = {}
    for expression in step.expressions:
        for reference in expression.reads:
            names = reference.names
            if len(names) > 1 and names[0] == "steps" and names[1] in ordinary:
                needs[names[1]] = "data"
    for name in step.spec.needs:
        if name in ordinary and name != step.id:
            needs.setdefault(name, "order")
    return structs.replace(step, needs=needs) if needs else step
