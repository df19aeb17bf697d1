"""What bounds a run inside others: the `timeout` of the steps that it is of, and budgets of time around it.

Nobody is at work for the step itself all the time, so what counts is the time in which something inside was: while
people are asked, or a pod is waited for, no deadline runs. A part of `finally` is not cut off by what is around that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import astuple, replace

from somagent.capsule_compiler.plan import Node
from somagent.operators.runner.budgeting import before, step_accounts, time_at_work, used_up, work_under
from somagent.operators.runner.records import Attempt, Failure, RunRecord, StepKey
from somagent.workflows.engines.objects.around import around
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.rules import is_final, overtime, wall_clock_left

_NOTHING = timedelta()
_LOOK_S = 3.0  # a look that takes longer gives nobody more time


class Deadline(NamedTuple):
    """How much longer something may work, and why it ends then."""

    left: timedelta
    why: Failure
    budget: str = ""  # of a step, that gives it, as a sentence


class OutOfTime(Exception):
    """Something was cut off."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.message)
        self.why = why


@asynccontextmanager
async def cut_off(look: Callable[[], Awaitable[Deadline | None]], *, watches: bool = True) -> AsyncIterator[None]:
    """Raises `OutOfTime` in what is inside, when that has used up what is left by then; else only before it.

    What watches by itself ends in its own way: the steps of a capsule do, and its `finally` has no deadline.
    """
    deadline = await look()
    if deadline is not None and deadline.left <= _NOTHING:
        raise OutOfTime(deadline.why)
    if deadline is None or not watches:
        yield
        return
    limit = asyncio.timeout(None)
    reached = asyncio.ensure_future(_reached(deadline, look, limit))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise OutOfTime((await reached).why) from None
    finally:
        reached.cancel()


async def _reached(
    deadline: Deadline, look: Callable[[], Awaitable[Deadline | None]], limit: asyncio.Timeout
) -> Deadline:
    """Ends the limit then. What was looked at began to work only later, so some of its time may be left at first."""
    while deadline.left > _NOTHING:
        await asyncio.sleep(deadline.left.total_seconds())
        try:
            async with asyncio.timeout(_LOOK_S):
                deadline = await look() or deadline
        except Exception:  # whatever keeps it from looking gives nobody more time; who is cut off meets it again
            break
    limit.reschedule(asyncio.get_running_loop().time())
    return deadline


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
        found += await of_step(ledger, inner, node, now)
        if inner.parent is None or is_final(plan, node.id):
            break
        found += await _of_budget(ledger, inner.parent.run, now)
    return found


async def of_step(ledger: ObjectLedger, inner: RunRecord, node: Node, now: datetime) -> list[Deadline]:
    """What bounds the step whose capsule's run this is: its attempt has a timeout, and its budgets may stop it."""
    assert inner.parent is not None  # noqa: S101 - it is inside a step
    key = StepKey(*astuple(inner.parent))
    found = [_after(node.timeout_ms, await _in_attempt(ledger, key, inner, now), now)]
    for account in step_accounts(key, node):
        limit_ms = account.budget.wall_clock_ms
        if limit_ms is not None and account.budget.on_exceed == "stop":
            found.append(_after(limit_ms, await work_under(account, key, ledger), now, used_up(account)))
    return found


async def budget_used_up(ledger: ObjectLedger, inner: RunRecord, node: Node, closed_at: datetime) -> str:
    """The step's budget by which the run of its capsule was cut off, as a sentence; empty when none did that.

    What others have used since the cut says nothing of it, and the run may have been closed long after.
    """
    plan = await ledger.plan(inner.id)
    cuts = [
        one.ended_at
        for one in await ledger.attempts(inner.id)
        if one.ended_at is not None and one.failure is not None and one.failure.failure_class == "timeout"
        if not is_final(plan, one.key.step)
    ]
    nearest = min(await of_step(ledger, inner, node, max(cuts, default=closed_at)), key=lambda one: one.left)
    return nearest.budget if nearest.left <= _NOTHING else ""


async def _in_attempt(ledger: ObjectLedger, key: StepKey, inner: RunRecord, now: datetime) -> list[Attempt]:
    """The work inside in the step's attempt that is open.

    Where an engine leaves that open while people are asked, it counts from their decision on, if nothing else was at
    work until then: on others another attempt begins there.
    """
    begun = await ledger.attempts_of.open_attempt(key)
    work = sorted(await ledger.work(inner.id), key=lambda one: one.started_at)
    if begun is None:
        return work
    decided = {(one.key, one.number + 1) for one in work if one.waiting is not None}
    since = until = begun.attempt.started_at
    for one in work:
        if one.started_at >= until and (one.key, one.number) in decided:
            since = one.started_at
        until = max(until, one.ended_at or now)
    found = [one for one in work if one.ended_at is None or one.ended_at > since]
    return [replace(one, started_at=max(one.started_at, since)) for one in found]


def _after(limit_ms: int, work: Sequence[Attempt], now: datetime, budget: str = "") -> Deadline:
    limit = timedelta(milliseconds=limit_ms)
    why = Failure(failure_class="timeout", message=f"cut off after {round(limit.total_seconds(), 1):g} s")
    return Deadline(limit - time_at_work(before(work, now), now), why, budget)


async def _of_budget(ledger: ObjectLedger, run_id: str, now: datetime) -> list[Deadline]:
    plan = await ledger.plan(run_id)
    if plan.budget is None or plan.budget.wall_clock_ms is None:
        return []
    left = wall_clock_left(plan, await ledger.work(run_id), now)
    return [] if left is None else [Deadline(left, overtime(plan))]
