"""What bounds a run inside others: the `timeout` of the steps that it is of, unless it is a part of `finally`.

Nobody is at work for the step itself all the time, so what counts is the time in which something inside was: while
people are asked, or a pod is waited for, no deadline runs. Steps of `finally` are not cut off.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from somagent.operators.runner.budgeting import time_at_work
from somagent.operators.runner.records import Attempt, Failure, RunRecord, StepKey
from somagent.workflows.engines.objects.around import around
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import UnknownRun
from somagent.workflows.engines.rules import is_final
from somagent.workflows.engines.run_names import child_id


class Deadline(NamedTuple):
    """How much longer something may work, and why it ends then."""

    left: timedelta
    why: Failure


async def of_capsules_around(ledger: ObjectLedger, run: RunRecord, now: datetime) -> Deadline | None:
    """The nearest one of the capsules that this run is inside of; None when it is inside none."""
    found = []
    async for inner, plan, node in around(ledger, run):
        limit = timedelta(milliseconds=node.timeout_ms)
        why = Failure(failure_class="timeout", message=f"cut off after {round(limit.total_seconds(), 1):g} s")
        found.append(Deadline(limit - time_at_work(await _work_in(ledger, inner.id), now), why))
        if is_final(plan, node.id):
            break
    return min(found, key=lambda one: one.left, default=None)


async def _work_in(ledger: ObjectLedger, run_id: str) -> list[Attempt]:
    """The attempts that did something themselves, in the run and in those inside it."""
    plan, attempts = await ledger.plan(run_id), await ledger.attempts(run_id)
    capsules = {one.key for one in attempts if plan.node(one.key.step).capsule}
    found = [one for one in attempts if one.key not in capsules]
    for key in capsules:
        for run in await _runs_of(ledger, key):
            found += await _work_in(ledger, run)
    return found


async def _runs_of(ledger: ObjectLedger, key: StepKey) -> list[str]:
    found: list[str] = []
    while True:
        try:
            found.append((await ledger.deeds.run(child_id(key, len(found) + 1))).id)
        except UnknownRun:
            return found
