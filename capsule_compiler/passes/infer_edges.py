"""A reference is an edge: authors write `needs` only for order without data."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.governance.cel import references
from somagent.governance.documents import Diagnostic


def infer_edges(draft: Draft) -> Draft:
    """Every step knows which steps it waits for, and whether for data or for order."""
    ordinary = {step.id for step in draft.steps.values() if not step.final}
    found = [mistake for step in draft.steps.values() for one in step.expressions for mistake in _whole(draft, one)]
    found += [mistake for one in draft.output_expressions for mistake in _whole(draft, one)]
    steps = {step.id: _with_needs(step, ordinary) for step in draft.steps.values()}
    return replace(draft.reporting(found), steps=steps)


def _whole(draft: Draft, one: Expression) -> list[Diagnostic]:
    """A use of `steps` without a step's name: which steps it waits for could not be known."""
    mistakes = [
        Diagnostic("steps-as-value", "`steps` is not a value", reference.span, help="name a step: `steps.NAME.OUTPUT`")
        for reference in references(one.expr)
        if reference.names == ("steps",)
    ]
    return draft.in_document(one.node, mistakes) if mistakes else []


def _with_needs(step: StepDraft, ordinary: set[str]) -> StepDraft:
    if step.final:
        return step  # `finally` waits for everything
    needs: dict[str, Literal["data", "order"]] = {}
    for expression in step.expressions:
        for reference in references(expression.expr):
            names = reference.names
            if len(names) > 1 and names[0] == "steps" and names[1] in ordinary:
                needs[names[1]] = "data"
    for name in step.spec.needs:
        if name in ordinary and name != step.id:
            needs.setdefault(name, "order")
    return replace(step, needs=needs)
