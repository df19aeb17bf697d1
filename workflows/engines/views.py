"""A run as people see it, put together from its records; no engine has a picture of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.runner.records import NO_ITEM, Attempt, Phase, StepKey, StepResult
from somagent.workflows.engines.protocol import StepView


def step_views(
    run_id: str,
    plan: Plan,
    results: Iterable[StepResult],
    attempts: Iterable[Attempt],
    fan_outs: Mapping[str, int],
    *,
    at_work: bool,
) -> list[StepView]:
    """Every step in the order of the plan, finals last.

    `fan_outs` gives the number of items of each fan-out that was opened; without a process `at_work`, what looks as if
    it ran is only pending.
    """
    by_key = {result.key: result for result in results}
    history: dict[StepKey, list[Attempt]] = {}
    for attempt in attempts:
        history.setdefault(attempt.key, []).append(attempt)

    def view(node: Node, item: int = NO_ITEM) -> StepView:
        key = StepKey(run_id, node.id, item)
        tried = history.get(key, [])
        seen = StepView(id=node.id, operator=node.operator, item=item, phase="Pending", history=tried)
        return _ended(seen, by_key[key]) if key in by_key else _tried(seen, at_work=at_work) if tried else seen

    views = []
    for node in (*plan.nodes, *plan.finals):
        items = [view(node, item) for item in range(fan_outs.get(node.id, 0))]
        views.append(_whole(view(node), items) if items else view(node))
    return views


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
