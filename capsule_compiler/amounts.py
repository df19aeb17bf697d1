"""Durations, tokens and money make sense together: a deadline leaves time, and a run has one currency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from somagent.capsule_compiler.draft import Draft
from somagent.capsule_compiler.model.quantities import duration_ms, money
from somagent.governance.documents import Diagnostic, Label, Path


def check_amounts(draft: Draft) -> Iterator[Diagnostic]:
    """Deadlines of no time at all, and amounts of another currency than the first one in the text."""
    if draft.capsule is None:
        return
    spec = draft.capsule.spec
    deadlines: list[tuple[Path, Any]] = [(("spec", "defaults", "timeout"), spec.defaults.timeout)]
    budgets: list[tuple[Path, Any]] = [(("spec", "budget"), spec.budget)]
    for step in draft.steps.values():
        deadlines.append(((*step.path, "timeout"), step.spec.timeout))
        budgets.append(((*step.path, "budget"), step.spec.budget))
        budgets.append(((*step.path, "totalBudget"), step.spec.total_budget))
    deadlines += [((*path, "wallClock"), budget.wall_clock) for path, budget in budgets if budget is not UNSET]
    for path, text in deadlines:
        if text is not UNSET and duration_ms(text) == 0:
            message = f"`{path[-1]}` must be longer than nothing, not {text}"
            yield Diagnostic("out-of-range", message, draft.span(path), help="such as `15m`")
    yield from _currencies(draft, [((*path, "cost"), budget.cost) for path, budget in budgets if budget is not UNSET])


def _currencies(draft: Draft, costs: list[tuple[Path, Any]]) -> Iterator[Diagnostic]:
    amounts = [(path, money(text).currency) for path, text in costs if text is not UNSET]
    for path, currency in amounts[1:]:
        first_path, first = amounts[0]
        if currency != first:
            yield Diagnostic(
                "other-currency",
                f"this is an amount in {currency}, and the first one of the capsule is in {first}",
                draft.span(path),
                labels=(Label(draft.span(first_path), f"in {first}"),),
                help=f"write it in {first}; nothing is converted",
            )
