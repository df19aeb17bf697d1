"""A fan-out step as a whole: opened once, before its items run, and closed when the last of them has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.governance.verdict import STRENGTH, Verdict
from somagent.operators.operator import StepFailure
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.guards import check_requirement, fan_out_items
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.ready import ready
from somagent.operators.runner.records import Failure, Phase, RunRecord, StepKey, StepResult
from somagent.operators.runner.run_step import failure_of, guarded
from somagent.operators.runner.values import digest_of_value

_SHOWN_FAILURES = 5


async def open_fan_out(
    key: StepKey, *, plan: Plan, run: RunRecord, ledger: Ledger, now: Callable[[], datetime]
) -> StepResult | int:
    """How many items the step has; or its recorded result, when it is skipped, fails, or has ended before.

    `if`, `require` and the list are evaluated here, without the name of an item.
    """
    recorded = await ledger.result(key)
    if recorded is not None:
        return recorded
    prepared = ready(plan)
    node = prepared.nodes[key.step]
    scope = Scope(prepared, node, run, ledger)
    ended = await guarded(key, node, scope, now)
    if ended is None:
        try:
            await check_requirement(node, scope)
            return len(await fan_out_items(node, scope, run, ledger.contents.remembered))
        except StepFailure as fault:
            ended = StepResult(key=key, phase="Failed", ended_at=now(), failure=failure_of(fault))
    return await ledger.record(None, ended)


async def close_fan_out(
    key: StepKey,
    items: int,
    *,
    plan: Plan,
    run: RunRecord,  # noqa: ARG001 - engines call all of the step runner's functions alike
    ledger: Ledger,
    now: Callable[[], datetime],
) -> StepResult:
    """Records the step as a whole from the results of its items, which have all ended.

    It is cancelled when an item was, else it fails when an item failed; one that collects failures fails only when
    items were given up with the run. Outputs stay with the items; the digests are over the lists of the items' digests.
    """
    recorded = await ledger.result(key)
    if recorded is not None:
        return recorded
    results = await ledger.item_results(key.run, key.step)
    if len(results) != items:
        raise RuntimeError(f"{key} cannot be closed: {len(results)} of its {items} items have ended")
    collects = _collects(plan.node(key.step))
    phase = _phase(results, collects=collects)
    starts = [result.started_at for result in results if result.started_at is not None]
    result = StepResult(
        key=key,
        phase=phase,
        attempts=sum(result.attempts for result in results),
        started_at=min(starts, default=None),
        ended_at=now(),
        failure=_failure(phase, [one for one in results if one.given_up or not collects], items),
        verdict=_strongest([result.verdict for result in results if result.verdict is not None]),
        spent=_sum(results),
        input_digest=digest_of_value([result.input_digest for result in results]),
        output_digest=digest_of_value([result.output_digest for result in results]) if phase == "Succeeded" else "",
        items=items,
    )
    return await ledger.record(None, result)


def _collects(node: Node) -> bool:
    """Whether failed items stand in the result as errors. A gate opens on allow or approve only, whatever it says."""
    return node.fan_out is not None and node.fan_out.on_failure == "collect" and not node.gate


def _phase(results: Sequence[StepResult], *, collects: bool) -> Phase:
    phases = {result.phase for result in results if not collects or result.given_up}
    for phase in ("Cancelled", "Failed"):
        if phase in phases:
            return phase
    return "Succeeded"


def _failure(phase: Phase, results: Sequence[StepResult], items: int) -> Failure | None:
    bad = [result for result in results if result.phase == phase and result.failure is not None]
    if phase == "Succeeded" or not bad or bad[0].failure is None:
        return None
    said = [f"item {result.key.item}: {result.failure.message}" for result in bad if result.failure is not None]
    more = f"; and {len(said) - _SHOWN_FAILURES} more" if len(said) > _SHOWN_FAILURES else ""
    message = f"{len(bad)} of {items} items {phase.lower()}: {'; '.join(said[:_SHOWN_FAILURES])}{more}"
    return Failure(failure_class=bad[0].failure.failure_class, message=message)


def _strongest(verdicts: Sequence[Verdict]) -> Verdict | None:
    return max(verdicts, key=lambda verdict: STRENGTH[verdict.effect], default=None)


def _sum(results: Sequence[StepResult]) -> Amounts:
    total = Amounts()
    for result in results:
        total = total.plus(result.spent)
    return total
