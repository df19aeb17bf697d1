"""What bounds a run inside others: the `timeout` of the steps that it is of, and budgets of time around it.

Nobody is at work for the step itself all the time, so what counts is the time in which something inside was: while
people are asked, or a pod is waited for, no deadline runs. A part of `finally` is not cut off by what is around that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import astuple

from somagent.operators.runner.budgeting import time_at_work
from somagent.operators.runner.records import Attempt, Failure, RunRecord
from somagent.workflows.engines.objects.around import around
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.rules import is_final, overtime, wall_clock_left


class Deadline(NamedTuple):
    """How much longer something may work, and why it ends then."""

    left: timedelta
    why: Failure


async def of_run(ledger: ObjectLedger, run: RunRecord, now: datetime) -> Deadline | None:
    """The nearest one of what bounds the run: its own budget of time, and what is around it."""
    found = [*await _of_budget(ledger, run.id, now), *await _of_all_around(ledger, run, now)]
    return min(found, key=lambda one: one.left, default=None)


async def of_capsules_around(ledger: ObjectLedger, run: RunRecord, now: datetime) -> Deadline | None:
    """The nearest one of what is around the run; None when it is inside none."""
    return min(await _of_all_around(ledger, run, now), key=lambda one: one.left, default=None)


async def _of_all_around(ledger: ObjectLedger, run: RunRecord, now: datetime) -> list[Deadline]:
    found = []
    async for inner, plan, node in around(ledger, run):
        found.append(_of_step(node.timeout_ms, await ledger.work(inner.id), now))
        budget, parent = node.budget, inner.parent
        if parent is None:
            break
        if budget is not None and budget.wall_clock_ms is not None and budget.on_exceed == "stop":
            found.append(_of_step(budget.wall_clock_ms, await ledger.work(*astuple(parent)), now))
        if is_final(plan, node.id):
            break
        found += await _of_budget(ledger, parent.run, now)
    return found


def _of_step(limit_ms: int, work: Sequence[Attempt], now: datetime) -> Deadline:
    limit = timedelta(milliseconds=limit_ms)
    why = Failure(failure_class="timeout", message=f"cut off after {round(limit.total_seconds(), 1):g} s")
    return Deadline(limit - time_at_work(work, now), why)


async def _of_budget(ledger: ObjectLedger, run_id: str, now: datetime) -> list[Deadline]:
    plan = await ledger.plan(run_id)
    if plan.budget is None or plan.budget.wall_clock_ms is None:
        return []
    left = wall_clock_left(plan, await ledger.work(run_id), now)
    return [] if left is None else [Deadline(left, overtime(plan))]
