"""A run as people see it, put together from its records; no engine has a picture of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from somagent.capsule_compiler.model.quantities import Money, show_money
from somagent.capsule_compiler.plan import Amounts, Budget, Node, Plan
from somagent.operators.runner.records import NO_ITEM, Attempt, Phase, StepKey, StepResult
from somagent.workflows.engines.asked_inside import Question, asked_inside
from somagent.workflows.engines.protocol import RunView, StepView


def step_views(
    run_id: str,
    plan: Plan,
    results: Iterable[StepResult],
    attempts: Iterable[Attempt],
    fan_outs: Mapping[str, int],
    *,
    at_work: bool,
    inside: Mapping[StepKey, RunView] | None = None,
) -> list[StepView]:
    """Every step in the order of the plan, finals last.

    `fan_outs` gives the number of items of each fan-out that was opened; without a process `at_work`, what looks as if
    it ran is only pending. `inside` has the run of each step's capsule; a step whose attempt is open while people are
    asked in there waits with it.
    """
    by_key = {result.key: result for result in results}
    history: dict[StepKey, list[Attempt]] = {}
    for attempt in attempts:
        history.setdefault(attempt.key, []).append(attempt)

    def view(node: Node, item: int = NO_ITEM) -> StepView:
        key = StepKey(run_id, node.id, item)
        tried = history.get(key, [])
        warnings = [warning for attempt in tried for warning in attempt.warnings]
        inner = (inside or {}).get(key)
        if inner is not None and inner.phase == "Waiting" and tried and tried[-1].ended_at is None:
            asked = tried[-1].waiting or asked_inside(key, inner.run, _questions(inner))
            tried = [*tried[:-1], replace(tried[-1], waiting=asked)]
        seen = StepView(
            id=node.id,
            operator=node.operator,
            item=item,
            phase="Pending",
            history=tried,
            warnings=warnings,
            inner=inner,
        )
        return _ended(seen, by_key[key]) if key in by_key else _tried(seen, at_work=at_work) if tried else seen

    views = []
    for node in (*plan.nodes, *plan.finals):
        whole = by_key.get(StepKey(run_id, node.id))
        count = fan_outs.get(node.id) or (whole and whole.items) or 0  # taken over, it was opened in another run
        if whole is not None and whole.given_up:  # before any of its items was at work
            count = 0
        items = [view(node, item) for item in range(count)]
        views.append(_whole(view(node), items) if items else view(node))
    return views


class Inner(NamedTuple):
    """A run inside the run, by the name of its step as the command line has it."""

    name: str
    view: RunView


def inner_runs(view: RunView, above: str = "") -> Iterator[Inner]:
    """All runs inside a run, each before those inside it."""
    for step in view.steps:
        for one in (step, *step.items):
            if one.inner is not None:
                name = f"{above}{one.id}" if one.item == NO_ITEM else f"{above}{one.id}/{one.item}"
                yield Inner(name, one.inner)
                yield from inner_runs(one.inner, f"{name}/")


def _questions(view: RunView, above: str = "") -> Iterator[Question]:
    """What people are asked in the run and in those inside it."""
    for step in view.steps:
        for one in (step, *step.items):
            name = f"{above}{one.id}" if one.item == NO_ITEM else f"{above}{one.id}/{one.item}"
            if one.phase == "Waiting" and one.waiting is not None and not one.waiting.child:
                yield Question(name, one.waiting)
            elif one.inner is not None:
                yield from _questions(one.inner, f"{name}/")


def items_words(ended: Iterable[Phase], total: int) -> str:
    """`10/12 items, 2 failed`: how many of all succeeded, and what else came of some."""
    tally = Counter(ended)
    others = [f", {tally[phase]} {phase.lower()}" for phase in ("Failed", "Cancelled") if tally[phase]]
    return f"{tally['Succeeded']}/{total} items" + "".join(others)


def over_budget(plan: Plan, steps: Sequence[StepView]) -> list[str]:
    """Every warning of an attempt, and every limit that more was spent than, whatever was to happen then."""
    warnings = []
    total = Amounts()
    nodes = {node.id: node for node in (*plan.nodes, *plan.finals)}
    for step in steps:
        total = total.plus(step.spent)
        node = nodes[step.id]
        for one in step.items or [step]:
            name = step.id if one.item == NO_ITEM else f"{step.id}/{one.item}"
            warnings += [f"`{name}`: {warning}" for warning in one.warnings]
            warnings += [f"in `{name}`: {warning}" for warning in (one.inner.warnings if one.inner else ())]
            warnings += _beyond(f"`{name}`", node.budget, one.spent)
        warnings += _beyond(f"all items of `{step.id}`", node.total_budget, step.spent)
    return _beyond("the run", plan.budget, total) + warnings


def _beyond(who: str, budget: Budget | None, spent: Amounts) -> list[str]:
    if budget is None:
        return []
    found = []
    if budget.tokens is not None and spent.tokens > budget.tokens:
        found.append(f"{who} spent {spent.tokens:,} tokens, {budget.tokens:,} are allowed")
    if budget.cost_micros is not None and spent.cost_micros > budget.cost_micros:
        allowed = show_money(Money(budget.cost_micros, budget.currency))
        found.append(f"{who} spent {show_money(Money(spent.cost_micros, budget.currency))}, {allowed} is allowed")
    return found


def _ended(view: StepView, result: StepResult) -> StepView:
    return replace(
        view,
        phase=result.phase,
        attempts=result.attempts,
        started_at=view.history[0].started_at if view.history else result.started_at,
        ended_at=result.ended_at,
        outputs=result.outputs,
        failure=result.failure,
        verdict=result.verdict,
        spent=result.spent,
        input_digest=result.input_digest,
        output_digest=result.output_digest,
    )


def _tried(view: StepView, *, at_work: bool) -> StepView:
    last = view.history[-1]
    return replace(
        view,
        phase="Waiting" if last.waiting else "Running" if last.ended_at is None and at_work else "Pending",
        attempts=len(view.history),
        started_at=view.history[0].started_at,
        failure=last.failure,
        verdict=last.verdict,
        waiting=last.waiting,
        spent=last.spent,
        retry_at=last.retry_at,
    )


def _whole(view: StepView, items: Sequence[StepView]) -> StepView:
    """A fan-out step: its own result, else what its items add up to."""
    attempts = sum(item.attempts for item in items)
    if view.ended_at is not None:
        return replace(view, items=list(items), attempts=attempts or view.attempts)
    phases: set[Phase] = {item.phase for item in items}
    spent = Amounts()
    for item in items:
        spent = spent.plus(item.spent)
    return replace(
        view,
        phase="Running" if "Running" in phases else "Waiting" if "Waiting" in phases else "Pending",
        attempts=attempts,
        started_at=min((item.started_at for item in items if item.started_at is not None), default=None),
        spent=spent,
        items=list(items),
    )
