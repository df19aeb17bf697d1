"""The rules that make a run come out the same on every engine: what is omitted, how a run ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.runner.records import NO_ITEM, Attempt, Failure, Phase, StepKey, StepResult
from somagent.workflows.engines.protocol import EngineError

_WORDS: dict[Phase, str] = {"Failed": "failed", "Omitted": "was omitted", "Cancelled": "was cancelled"}


def in_the_way(plan: Plan, node: Node, phases: Mapping[str, Phase]) -> str:
    """Why the node cannot start although all that it needs has ended; empty when it can.

    The first need in the plan's order is named, whichever ended first.
    """
    for edge in node.needs:
        phase = phases[edge.step]
        if phase == "Skipped" and plan.node(edge.step).gate:
            return f"gate `{edge.step}` was skipped, and a gate opens only on allow or approve"
        if phase not in {"Succeeded", "Skipped"}:
            return f"step `{edge.step}` {_WORDS[phase]}"
    return ""


def omitted(key: StepKey, barrier: str, now: datetime) -> StepResult:
    """The result of a step that never started."""
    failure = Failure(failure_class="omitted", message=barrier)
    return StepResult(key=key, phase="Omitted", ended_at=now, failure=failure)


def cancelled(key: StepKey, attempts: Sequence[Attempt], by: str, items: int | None, now: datetime) -> StepResult:
    """The result of a step or item that somebody's command cut off or gave up."""
    return StepResult(
        key=key,
        phase="Cancelled",
        attempts=len(attempts),
        started_at=attempts[0].started_at if attempts else None,
        ended_at=now,
        failure=Failure(failure_class="cancelled", message=f"cancelled by {by}"),
        items=items,
    )


def phase_of(plan: Plan, phases: Mapping[str, Phase]) -> Phase:
    """The phase of a run whose steps have all ended; a final that fails makes a run fail, too."""
    if any(phases[node.id] == "Cancelled" for node in plan.nodes):
        return "Cancelled"
    good = {"Succeeded", "Skipped"}
    return "Succeeded" if all(phases[node.id] in good for node in (*plan.nodes, *plan.finals)) else "Failed"


def failure_of(plan: Plan, results: Iterable[StepResult]) -> Failure | None:
    """Why a run did not succeed: the first step, in the plan's order, that was cancelled, else that failed."""
    failures = {result.key.step: result for result in results if result.key.item == NO_ITEM}
    for phase in ("Cancelled", "Failed"):
        for node in (*plan.nodes, *plan.finals):
            result = failures.get(node.id)
            if result is not None and result.phase == phase and result.failure is not None:
                return replace(result.failure, message=f"step `{node.id}`: {result.failure.message}")
    return None


def not_after(plan: Plan, step: str) -> set[str]:
    """Steps that neither are `step` nor depend on it; raises `EngineError` for one that the plan does not have."""
    names = [node.id for node in plan.nodes]
    if step not in names:
        raise EngineError(f"the run has no step `{step}` to go on from; its steps are: {', '.join(names)}")
    after = {step}
    for node in plan.nodes:  # in topological order
        if any(edge.step in after for edge in node.needs):
            after.add(node.id)
    return set(names) - after
