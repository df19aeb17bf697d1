"""A step that is a capsule, in two parts: one program makes its run, another one ends the step when that has ended.

Between the two the attempt stays open, and nobody signs for it: the run inside shows what goes on. Whoever comes to
the step again finds the run that was made, by the name that follows from the step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Plan, digest_of, encode_plan
from somagent.operators.capsule import CapsuleArgs
from somagent.operators.operator import Answer, Step, StepFailure
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import Attempt, Decision, Parent, RunRecord, StepKey, StepResult
from somagent.operators.runner.run_step import run_step
from somagent.operators.runner.secrets import granted_secrets
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.attempts import AttemptLost
from somagent.workflows.engines.objects.deeds import decisions_in
from somagent.workflows.engines.objects.lease import freed
from somagent.workflows.engines.objects.ledger import Closed
from somagent.workflows.engines.remote.deadline import budget_used_up
from somagent.workflows.engines.remote.work import UNSIGNED, NotEnded, Worker
from somagent.workflows.engines.rules import spent_by
from somagent.workflows.engines.run_names import child_id
from somagent.workflows.engines.sub_capsules import (
    NAME,
    capsule_operator,
    child_inputs,
    child_plan,
    failure,
    taken_over,
)


async def open_run(worker: Worker, key: StepKey) -> StepResult | Attempt | RunRecord:
    """The run of the step's capsule; or as `Worker.step`, when there is none: the step is skipped, fails or waits."""
    await worker.settle_before(key)
    while True:
        ended = await worker.kept_from(key)
        if ended is not None:
            return ended
        last = await last_run(worker, key)
        if (
            last is not None
            and await worker.ledger.attempts_of.open_attempt(key)
            and not await _told(worker, key, last)
        ):
            return last
        await freed(worker.ledger.attempts_of, key, now=worker.now, length_s=worker.ledger.lease_s)
        still = await worker.still_waits(key)
        if still is not None:
            return still
        await worker.until_due(key)
        try:
            return await _opened(worker, key)
        except AttemptHeld:  # somebody else was quicker
            await worker.ledger.leave(key)


async def close_run(worker: Worker, key: StepKey) -> StepResult | Attempt:
    """The step's result, by how the run of its capsule ended; or its attempt that is to be tried again."""
    while True:
        try:
            return await _closed(worker, key)
        except AttemptHeld:  # somebody else was quicker
            await worker.ledger.leave(key)


async def _closed(worker: Worker, key: StepKey) -> StepResult | Attempt:
    last = await last_run(worker, key)
    closed = None if last is None else await worker.ledger.closed(last.id)
    if last is None or closed is None:
        raise NotEnded(f"the capsule of step `{key.step}` has not ended")
    await worker.ledger.adopt(key)  # before it is looked at how it ended: else others may end it in between
    # What succeeded has, also when the run around it was stopped while its `finally` was at work.
    ended = await (worker.ledger.result if closed.phase == "Succeeded" else worker.kept_from)(key)
    if ended is not None:
        return ended
    if await _told(worker, key, last):
        (*_, attempt) = await worker.ledger.attempts(key.run, key.step, key.item)
        return attempt
    spent = await spent_now(worker, key)
    fault = failure(last, closed.outcome.failure, spent)
    if fault.failure_class == "timeout":
        budget = await budget_used_up(worker.ledger, last, worker.plan.node(key.step), closed.at)
        if budget:
            fault = StepFailure("budget", f"{budget}: {fault.message}", spent=spent, child=last.id)

    async def effect(_: CapsuleArgs, __: Step) -> Answer:
        if closed.phase == "Succeeded":
            return Answer(closed.outcome.outputs, spent)
        raise fault

    return await _run(worker, key, effect)


async def _opened(worker: Worker, key: StepKey) -> StepResult | Attempt | RunRecord:
    """Begins an attempt, makes the run when the attempt comes to that, and leaves the attempt open."""
    asked: asyncio.Future[tuple[RunRecord, Plan]] = asyncio.get_running_loop().create_future()

    async def effect(arguments: CapsuleArgs, step: Step) -> Answer:
        asked.set_result(asked_for(worker, arguments, step))
        await asyncio.Event().wait()  # until it is cancelled, which leaves the attempt open
        raise AssertionError

    async def make() -> RunRecord:
        return await made(worker, key, *await asyncio.shield(asked))

    either = asyncio.ensure_future(_run(worker, key, effect)), asyncio.ensure_future(make())
    try:
        done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        step, making = either
        if step.cancelled():
            raise AttemptLost(UNSIGNED)
        return step.result() if step in done else making.result()
    finally:
        for one in either:
            one.cancel()
        await asyncio.wait(either)
        await worker.ledger.leave(key)


def asked_for(worker: Worker, arguments: CapsuleArgs, step: Step) -> tuple[RunRecord, Plan]:
    """The run that the step's capsule shall have, still without an id; raises `StepFailure`."""
    plan = child_plan(step.plan, step.node)
    granted = granted_secrets(step.node, step.plan, step.run)
    record = RunRecord(
        id="",
        capsule=plan.capsule.name,
        plan_digest=digest_of(encode_plan(plan)),
        submitter=step.run.submitter,
        submitter_labels=step.run.submitter_labels,
        inputs=child_inputs(plan, arguments.with_, granted),
        created_at=worker.now(),
        parent=Parent(run=step.key.run, step=step.key.step, item=step.key.item),
    )
    return record, plan


async def _run(
    worker: Worker, key: StepKey, effect: Callable[[CapsuleArgs, Step], Awaitable[Answer]]
) -> StepResult | Attempt:
    return await run_step(
        key,
        plan=worker.plan,
        run=worker.run,
        ledger=worker.ledger,
        operators={**worker.operators, NAME: capsule_operator(effect)},
        workspace=worker.workspace,
        log=worker.log,
        now=worker.now,
    )


async def made(worker: Worker, key: StepKey, record: RunRecord, plan: Plan) -> RunRecord:
    """Stores the run; another one after a failure takes over what succeeded in that before."""
    runs = await worker.ledger.runs_of(key)
    if runs and not await _told(worker, key, runs[-1]):
        return runs[-1]  # of an attempt that was cut off
    before = runs[-1] if runs else await _of_the_run_before(worker, key)
    results: list[StepResult] = []
    decisions: list[Decision] = []
    if before is not None and (before.inputs, before.plan_digest) == (record.inputs, record.plan_digest):
        record = replace(record, retry_of=before.id)
        keys = await worker.ledger.attempts_of.keys(before.id)
        ends = [ends[-1].result for ends, _ in await worker.ledger.attempts_of.of(keys) if ends]
        results = taken_over((one for one in ends if one is not None), plan)
        kept = {result.key.step for result in results}
        decided = decisions_in(await worker.ledger.deeds.all(before.id))
        decisions = [one for one in decided if one.step in kept]
    record = replace(record, id=child_id(key, len(runs) + 1))
    return await people.submit(worker.ledger, record, plan, None, results=results, decisions=decisions)


async def last_run(worker: Worker, key: StepKey) -> RunRecord | None:
    """The newest run of the step's capsule."""
    runs = await worker.ledger.runs_of(key)
    return runs[-1] if runs else None


async def _told(worker: Worker, key: StepKey, run: RunRecord) -> bool:
    """Whether the run failed and an attempt of the step has failed for it: then there is another one to come."""
    closed: Closed | None = await worker.ledger.closed(run.id)
    if closed is None or closed.phase == "Succeeded":
        return False
    attempts = await worker.ledger.attempts(key.run, key.step, key.item)
    return any(one.failure is not None and one.failure.child == run.id for one in attempts)


async def _of_the_run_before(worker: Worker, key: StepKey) -> RunRecord | None:
    """Where the step's run takes over from another run of the same capsule, so do the capsules in it."""
    if worker.run.parent is None or not worker.run.retry_of:
        return None
    found = await last_run(worker, key._replace(run=worker.run.retry_of))
    closed = None if found is None else await worker.ledger.closed(found.id)
    return found if closed is not None and closed.phase != "Succeeded" else None


async def spent_now(worker: Worker, key: StepKey) -> Amounts:
    """What was spent inside since the earlier attempts of the step ended."""
    whole = Amounts()
    for run in await worker.ledger.runs_of(key):
        whole = whole.plus(await worker.ledger.spent_in(run.id))
    before: Any = spent_by(await worker.ledger.attempts(key.run, key.step, key.item))
    return Amounts(tokens=whole.tokens - before.tokens, cost_micros=whole.cost_micros - before.cost_micros)
