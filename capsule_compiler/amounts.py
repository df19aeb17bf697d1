"""Durations, tokens and money make sense together: a deadline leaves time, a run has one currency, and a budget inside
another one is not the larger of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import UNSET

from somagent.capsule_compiler.draft import Draft
from somagent.capsule_compiler.model.quantities import count, duration_ms, money
from somagent.governance.documents import Diagnostic, Label, Path

Placed = tuple[Path, Any]


def _dearer(own: str, limit: str) -> bool:
    one, other = money(own), money(limit)
    return one.currency == other.currency and one.micros > other.micros


_LIMITS: tuple[tuple[str, str, Callable[[str, str], bool]], ...] = (
    ("tokens", "tokens", lambda own, limit: count(own) > count(limit)),
    ("cost", "cost", _dearer),
    ("wallClock", "wall_clock", lambda own, limit: duration_ms(own) > duration_ms(limit)),
)


def check_amounts(draft: Draft) -> Iterator[Diagnostic]:
    """Deadlines of no time at all, and amounts of another currency than the first one in the text."""
    if draft.capsule is None:
        return
    spec = draft.capsule.spec
    deadlines: list[tuple[Path, Any]] = [(("spec", "defaults", "timeout"), spec.defaults.timeout)]
    budgets: list[tuple[Path, Any]] = [(("spec", "budget"), spec.budget)]
    with_budget = []
    for step in draft.steps.values():
        if step.spec.timeout is not UNSET:
            deadlines.append(((*step.path, "timeout"), step.spec.timeout))
        if step.spec.budget is not UNSET or step.spec.total_budget is not UNSET:
            with_budget.append(step)
            budgets.append(((*step.path, "budget"), step.spec.budget))
            budgets.append(((*step.path, "totalBudget"), step.spec.total_budget))
    deadlines += [((*path, "wallClock"), budget.wall_clock) for path, budget in budgets if budget is not UNSET]
    of_no_time = {text for text in {text for _, text in deadlines} if text is not UNSET and duration_ms(text) == 0}
    for path, text in deadlines:
        if text in of_no_time:
            message = f"`{path[-1]}` must be longer than nothing, not {text}"
            yield Diagnostic("out-of-range", message, draft.span(path), help="such as `15m`")
    yield from _currencies(draft, [((*path, "cost"), budget.cost) for path, budget in budgets if budget is not UNSET])
    around = (("spec", "budget"), spec.budget)
    for step in with_budget:
        all_items = ((*step.path, "totalBudget"), step.spec.total_budget)
        yield from _out_of_reach(draft, ((*step.path, "budget"), step.spec.budget), [all_items, around])
        yield from _out_of_reach(draft, all_items, [around])


def _out_of_reach(draft: Draft, inner: Placed, outer: list[Placed]) -> Iterator[Diagnostic]:
    """Limits that a limit around them is used up before; each is said once."""
    path, budget = inner
    for field, attribute, beyond in _LIMITS:
        own = getattr(budget, attribute, UNSET)
        for around, larger in outer:
            limit = getattr(larger, attribute, UNSET)
            if own is not UNSET and limit is not UNSET and beyond(own, limit):
                yield Diagnostic(
                    "budget-out-of-reach",
                    f"this limit of {own} is never reached: {limit} are all that there are around it",
                    draft.span((*path, field)),
                    labels=(Label(draft.span((*around, field)), f"at most {limit}"),),
                    help="lower it, or raise the other one",
                )
                break


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
