"""What the program does: one step, one item, or a fan-out's beginning or end, from what the ledger says on.

Every call may be made again after it was cut off, and may be made twice at once: the second one finds what the first
one recorded, or waits until it is through or gives no sign of life any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.operator import Operator
from somagent.operators.runner.fan_out import close_fan_out, open_fan_out
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import NO_ITEM, Attempt, Failure, Phase, RunRecord, StepKey, StepResult
from somagent.operators.runner.run_step import run_step
from somagent.workflows.engines import rules
from somagent.workflows.engines.objects.around import is_at_the_end
from somagent.workflows.engines.objects.attempts import AttemptLost, at_once
from somagent.workflows.engines.objects.deeds import cancelled_by
from somagent.workflows.engines.objects.lease import freed
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import EngineError, StoreUnreachable
from somagent.workflows.engines.remote.answers import asked_of
from somagent.workflows.engines.remote.asked import is_open
from somagent.workflows.engines.remote.deadline import Deadline, OutOfTime, cut_off, of_capsules_around, of_run
from somagent.workflows.engines.run_names import top_of

UNSIGNED = "the store could not be told that somebody was at work on it"
LAST_WORDS_S = 5.0  # who stops a process does not wait for long
_STOPS_WITHIN = 2  # leases


class Worker(Struct, frozen=True):
    """One run, and where its steps work: folders of attempts in `workspace`, what they write through `log`."""

    ledger: ObjectLedger
    run: RunRecord
    plan: Plan
    operators: Mapping[str, Operator]
    workspace: Path
    log: Callable[[StepKey, int], StepLog]
    now: Callable[[], datetime]
    stopped: Callable[[], Failure | None] = lambda: None  # why, where it is not a person who stops the run
    tries_once: bool = False  # another attempt needs another process, as after a retry

    async def step(self, key: StepKey) -> StepResult | Attempt:
        """The step's result; or its attempt that waits for people, or is to be tried again at `retry_at`."""
        await self.settle_before(key)
        while True:
            ended = await self.kept_from(key)
            if ended is not None:
                return ended
            await freed(self.ledger.attempts_of, key, now=self.now, length_s=self.ledger.lease_s)
            still = await self.still_waits(key)
            if still is not None:
                return still
            await self.until_due(key)
            try:
                async with cut_off(partial(self._deadline, key), watches=not self.plan.node(key.step).capsule):
                    return await run_step(
                        key,
                        plan=self.plan,
                        run=self.run,
                        ledger=self.ledger,
                        operators=self.operators,
                        workspace=self.workspace,
                        log=self.log,
                        now=self.now,
                    )
            except OutOfTime as end:
                return await self._out_of_time(key, end.why)
            except AttemptHeld:  # somebody else was quicker
                await self.ledger.leave(key)
            except asyncio.CancelledError:
                own = self.ledger.at_work(key)
                if not await self.ledger.leave(key):
                    if own is not None:
                        await self._leave_off(own)
                    raise
                _uncancelled()  # this attempt was lost: others are at work on the next one, or no sign came through
                if own is not None:
                    await self.ledger.attempts_of.cut_off(own, self.now(), UNSIGNED)
                if self.tries_once:
                    raise StoreUnreachable(UNSIGNED) from None

    async def _deadline(self, key: StepKey) -> Deadline | None:
        """When the step is cut off, whatever its own time is; None when nothing bounds it, or this is `finally`."""
        if rules.is_final(self.plan, key.step):
            return None
        return await of_run(self.ledger, self.run, self.now())

    async def _out_of_time(self, key: StepKey, why: Failure) -> StepResult:
        """Records that the time was used up before the step ended, with the attempt that is at work here."""
        try:
            return await self._given_up(key, why, self.ledger.at_work(key))
        except AttemptLost:  # the store had taken its end, or others had ended it
            await self.ledger.leave(key)
            return await self._given_up(key, why)

    async def _given_up(self, key: StepKey, why: Failure, own: Attempt | None = None) -> StepResult:
        attempts = await self.ledger.attempts(key.run, key.step, key.item)
        return await self.ledger.record(own, rules.given_up(key, attempts, why, self.now()))

    async def open(self, key: StepKey) -> StepResult | int:
        """How many items the fan-out has; or its result, when it is skipped, fails or is kept from running."""
        await self.settle_before(key)
        ended = await self.kept_from(key)
        if ended is not None:
            return ended
        opened = await open_fan_out(key, plan=self.plan, run=self.run, ledger=self.ledger, now=self.now)
        if isinstance(opened, int):
            await self.ledger.open(key, opened)
        return opened

    async def close(self, key: StepKey) -> StepResult:
        """The result of the fan-out, whose items have all ended; those that an engine did not run are given up."""
        recorded = await self.ledger.result(key)
        if recorded is not None:
            return recorded
        count = await self.ledger.items(key)
        if count is None:
            opened = await self.open(key)
            if isinstance(opened, StepResult):
                return opened
            count = opened
        items = [key._replace(item=item) for item in range(count)]
        ended = await at_once([self.ledger.result(one) for one in items])
        await self._give_up([one for one, result in zip(items, ended, strict=True) if result is None])
        return await close_fan_out(key, count, plan=self.plan, run=self.run, ledger=self.ledger, now=self.now)

    async def end(self) -> Phase:
        """Records what no engine came to, and how the run ended. Returns its phase."""
        await self._settle((*self.plan.nodes, *self.plan.finals))
        phases = await self._phases((*self.plan.nodes, *self.plan.finals))
        phase = rules.phase_of(self.plan, phases)
        phase, outcome = await rules.outcome_of(self.plan, self.run, self.ledger, phase)
        return (await self.ledger.close(self.run.id, phase, outcome, self.now())).phase

    async def were_last(self, steps: Iterable[str]) -> bool:
        """Whether all steps have ended with these ones."""
        needed = {edge.step for node in self.plan.nodes for edge in node.needs}
        if needed.issuperset(steps):
            return False
        # The last ones mostly end last, and nothing that needs others ends before them.
        for node in reversed(self.plan.nodes):
            if node.id not in needed and await self.ledger.result(StepKey(self.run.id, node.id)) is None:
                return False
        keys = [StepKey(self.run.id, node.id) for node in self.plan.nodes]
        return None not in await at_once([self.ledger.result(key) for key in keys])

    async def settle_before(self, key: StepKey) -> None:
        """A `finally` step sees how all before it ended, those too that no engine came to."""
        if rules.is_final(self.plan, key.step):
            await self._settle(rules.before_final(self.plan, key.step))

    async def _settle(self, nodes: Sequence[Node]) -> None:
        """Records the steps that no engine came to; those that have ended are asked for at once, and are known then."""
        keys = [StepKey(self.run.id, node.id) for node in nodes]
        results = await at_once([self.ledger.result(key) for key in keys])
        await self._until_left([key for key, result in zip(keys, results, strict=True) if result is None])
        for node in nodes:
            key = StepKey(self.run.id, node.id)
            if await self.kept_from(key) is None:
                await (self.close(key) if node.fan_out is not None else self.give_up(key))

    async def kept_from(self, key: StepKey) -> StepResult | None:
        """The result of a step that may not run: what it needs did not open the way, or the run was stopped."""
        try:
            node = self.plan.node(key.step)
        except KeyError:
            raise EngineError(f"the plan has no step `{key.step}`") from None
        recorded = await self.ledger.result(key)
        if recorded is not None:
            return recorded
        if node in self.plan.finals:
            return None
        phases = await self._phases([self.plan.node(edge.step) for edge in node.needs])
        barrier = rules.in_the_way(self.plan, node, phases)
        if barrier and key.item == NO_ITEM:
            return await self.ledger.record(None, rules.omitted(key, barrier, self.now()))
        if not await self._stopped_for():
            return None
        was_opened = node.fan_out is not None and key.item == NO_ITEM and await self.ledger.items(key) is not None
        return await (self.close(key) if was_opened else self.give_up(key))

    async def _phases(self, nodes: Sequence[Node]) -> dict[str, Phase]:
        """Of steps that have ended: an engine starts nothing before, whatever people make of its nodes."""
        keys = [StepKey(self.run.id, node.id) for node in nodes]
        phases: dict[str, Phase] = {}
        for key, result in zip(keys, await at_once([self.ledger.result(key) for key in keys]), strict=True):
            if result is None:
                raise NotEnded(f"step `{key.step}` has not ended{await self._why(key)}")
            phases[key.step] = result.phase
        return phases

    async def _why(self, key: StepKey) -> str:
        ends = await self.ledger.attempts_of.ends(key)
        last = ends[-1].attempt if ends else None
        return f"; it waits for {asked_of(last.waiting)}" if last is not None and last.waiting is not None else ""

    async def still_waits(self, key: StepKey) -> Attempt | None:
        """Its attempt that waits for people who have not decided yet: to look again is no other attempt."""
        ends = self.ledger.attempts_of.seen(key)
        last = ends[-1].attempt if ends else None
        return last if last is not None and await is_open(self.ledger, last) else None

    async def _leave_off(self, attempt: Attempt) -> None:
        """Ends an attempt that was stopped here, so that whoever goes on need not wait for its lease to end.

        Of a capsule that was stopped with the run, it stays open: it ends after what is inside.
        """
        with suppress(TimeoutError, EngineError):
            async with asyncio.timeout(LAST_WORDS_S):
                is_stopped = await self.is_stopped(attempt.key.step)
                if is_stopped and await self.ledger.is_open_inside(attempt.key):
                    return
                if is_stopped:
                    await self._given_up(attempt.key, await self._why_not_run())
                else:
                    await self.ledger.attempts_of.cut_off(attempt, self.now(), "it was stopped before it was done")

    async def until_due(self, key: StepKey) -> None:
        """Waits for the rest of the time between two attempts: engines count it from other moments."""
        ends = self.ledger.attempts_of.seen(key)
        last = ends[-1].attempt if ends else None
        if last is not None and last.retry_at is not None:
            start = last.ended_at or last.started_at
            # A clock that is behind that of the last attempt must not make the wait longer than it was meant to be.
            wait = min(last.retry_at - self.now(), last.retry_at - start)
            await asyncio.sleep(max(wait.total_seconds(), 0))

    async def give_up(self, key: StepKey) -> StepResult:
        """Records that the step did not come to its end, once nobody is at work on it."""
        (result,) = await self._give_up([key])
        return result

    async def _give_up(self, keys: Sequence[StepKey]) -> list[StepResult]:
        await self._until_left(keys)
        return [await self._given_up(key, await self._why_not_run()) for key in keys]

    async def _why_not_run(self) -> Failure:
        return await self._stopped_for() or rules.NOT_RUN

    async def _until_left(self, keys: Sequence[StepKey]) -> None:
        """Returns when nobody is at work on any of them: who was stopped has ended, and who was killed is cut off.

        Who does not stop within two leases is not waited for. Capsules are no work: what is inside them is.
        """
        steps = [key for key in keys if not self.plan.node(key.step).capsule]
        opened = await at_once([self.ledger.attempts_of.open_attempt(key) for key in steps])
        held = [key for key, begun in zip(steps, opened, strict=True) if begun is not None]
        await asyncio.gather(*map(self._until_free, held))

    async def _until_free(self, key: StepKey) -> None:
        length_s = self.ledger.lease_s
        with suppress(AttemptHeld):
            await freed(
                self.ledger.attempts_of, key, now=self.now, length_s=length_s, patience_s=_STOPS_WITHIN * length_s
            )

    async def is_stopped(self, step: str) -> bool:
        """Whether the run was stopped, and the step with it: it is none of `finally`."""
        return not rules.is_final(self.plan, step) and await self._stopped_for() is not None

    async def _stopped_for(self) -> Failure | None:
        by = cancelled_by(await self.ledger.deeds.all(top_of(self.run.id)))
        why = rules.cancellation(by) if by and not await is_at_the_end(self.ledger, self.run) else self.stopped()
        if why is not None or self.run.parent is None:
            return why
        around = await of_capsules_around(self.ledger, self.run, self.now())
        return around.why if around is not None and around.left <= timedelta() else None


class NotEnded(Exception):
    """A step was started before one that it needs has ended; only a hand in the engine's own works does that."""


def _uncancelled() -> None:
    """Takes back the cancellation of this task that was for the attempt; passes on that of whoever wants it to end."""
    task = asyncio.current_task()
    if task is not None and task.uncancel():
        raise asyncio.CancelledError
