"""A used capsule spends from the budget of the capsule that uses it, so it cannot declare a larger one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from somagent.capsule_compiler.border import child_of, used_alias
from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.capsule_compiler.model.quantities import (
    Money,
    count,
    duration_ms,
    money,
    show_count,
    show_duration,
    show_money,
)
from somagent.capsule_compiler.plan import Budget
from somagent.governance.documents import Diagnostic, Label, Path


def check_sub_budgets(draft: Draft) -> Iterator[Diagnostic]:
    """Capsules whose own budget is beyond that of the step that runs them, or of the capsule."""
    if draft.capsule is None:
        return
    for step in draft.steps.values():
        child = child_of(draft, step)
        if child is None or child.plan is None or child.plan.budget is None:
            continue
        for path, limit in _limits(draft, step):
            wanted = _wanted(child.plan.budget, str(path[-1]), limit)
            if wanted:
                yield _beyond(draft, step, wanted, path, limit)


def _limits(draft: Draft, step: StepDraft) -> Iterator[tuple[Path, str]]:
    """Every limit that holds for the step, with its place."""
    budgets: list[tuple[Path, Any]] = [((*step.path, "budget"), step.spec.budget)]
    if draft.capsule is not None:
        budgets.append((("spec", "budget"), draft.capsule.spec.budget))
    for path, budget in budgets:
        if budget is not UNSET:
            for field, limit in (("tokens", budget.tokens), ("cost", budget.cost), ("wallClock", budget.wall_clock)):
                if limit is not UNSET:
                    yield (*path, field), limit


def _beyond(draft: Draft, step: StepDraft, wanted: str, path: Path, limit: str) -> Diagnostic:
    alias = used_alias(draft, step, "capsules")
    return Diagnostic(
        "budget-beyond-parent",
        f"capsule `{alias}` may spend {wanted}, and here there are {limit}",
        draft.key_span((*step.path, *step.operation.at)),
        labels=(Label(draft.span(path), f"at most {limit}"),),
        help="say both in one currency: costs are added up, never converted"
        if path[-1] == "cost" and wanted.rsplit(maxsplit=1)[-1] != limit.rsplit(maxsplit=1)[-1]
        else f"raise `{path[-1]}` here, or lower it in the budget of `{alias}`",
    )


def _wanted(inner: Budget, field: str, limit: str) -> str:
    """What the inner budget allows, when that is more than the limit or in another currency."""
    if field == "tokens":
        return show_count(inner.tokens) if inner.tokens is not None and inner.tokens > count(limit) else ""
    if field == "wallClock":
        wall = inner.wall_clock_ms
        return show_duration(wall) if wall is not None and wall > duration_ms(limit) else ""
    if inner.cost_micros is None:
        return ""
    own, allowed = Money(inner.cost_micros, inner.currency), money(limit)
    return show_money(own) if own.currency != allowed.currency or own.micros > allowed.micros else ""
