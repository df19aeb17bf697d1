"""A step that is a capsule, run in one process: its run, the steps of that side by side, and its end.

For engines in which a task begins no other tasks; those that can, open and close the run and begin its steps by
themselves (`capsules`). What is recorded is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Node
from somagent.operators.capsule import CapsuleArgs
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.operating import CannotGoOn
from somagent.operators.runner.records import Attempt, Failure, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.asked_inside import Question, asked_inside
from somagent.workflows.engines.remote.asked import Asked, answered, questions
from somagent.workflows.engines.remote.capsules import asked_for, close_run, last_run, made, spent_now
from somagent.workflows.engines.remote.work import Worker
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.engines.sub_capsules import NAME, cancel_this_task, capsule_operator, failure, parked

_AT_ONCE = 8  # steps at work in one process


def with_capsules(
    worker: Worker, places: asyncio.Semaphore | None = None, drives: dict[StepKey, _Drive] | None = None
) -> Worker:
    """The worker, able to run steps that are capsules, whose steps take these places; `drives` has those at work."""
    places = places or asyncio.Semaphore(_AT_ONCE)
    drives = {} if drives is None else drives

    async def run(arguments: CapsuleArgs, step: Step) -> Answer | Park:
        try:
            return await gone_on(arguments, step)
        except StepFailure:
            raise
        except Exception as fault:  # of the disk, the store or SomaGent: no step has failed by it
            raise CannotGoOn(fault) from fault

    async def gone_on(arguments: CapsuleArgs, step: Step) -> Answer | Park:
        above = replace(able, run=step.run, plan=step.plan)
        inner = await made(above, step.key, *asked_for(above, arguments, step))
        inside = await _worker_of(above, inner)
        clock = asyncio.get_running_loop().time
        until, is_answered = clock() + step.time_s, True
        while is_answered and await inside.ledger.closed(inner.id) is None:
            drives[step.key] = _Drive(inside, places)
            try:
                await drives[step.key].go_on(until - clock(), step.time_s)
            finally:
                del drives[step.key]
            is_answered = await answered(inside.ledger, inner.id)  # while others were at work beside
        closed = await inside.ledger.closed(inner.id)
        if closed is None:
            asked = [Question(path_below(inner.id, key), one) for key, one in await questions(above.ledger, inner.id)]
            return parked(step, inner, asked)
        spent = await spent_now(above, step.key)
        if closed.phase == "Succeeded":
            return Answer(closed.outcome.outputs, spent)
        if await above.is_stopped(step.key.step):
            await cancel_this_task()  # what is around has, and that is why the step ends
        raise failure(inner, closed.outcome.failure, spent)

    able: Worker = replace(worker, operators={**worker.operators, NAME: capsule_operator(run)})
    return able


async def end_all(worker: Worker) -> Phase:
    """Ends the run, and before it what is inside and nothing will go on with. Returns its phase.

    People whom `finally` of something inside asks have had their time.
    """
    await end_inside(worker, (*worker.plan.nodes, *worker.plan.finals), waits=False)
    return await worker.end()


async def end_capsule(worker: Worker, key: StepKey, child: str) -> StepResult | Attempt:
    """As `close_run`, after it has ended this run of the step's capsule, all of whose steps have had their turn."""
    if await worker.ledger.closed(child) is None:
        await end_all(await _worker_of(worker, await worker.ledger.deeds.run(child)))
    return await close_run(worker, key)


async def end_inside(worker: Worker, nodes: Iterable[Node], *, waits: bool) -> list[Asked]:
    """Ends the runs of these steps' capsules that nothing will go on with, each with its `finally`.

    With `waits`, one whose `finally` asks people goes on; returns what they are asked.
    """
    asked: list[Asked] = []
    for node in nodes:
        for key in await worker.ledger.attempts_of.keys(worker.run.id, node.id) if node.capsule else ():
            last = await last_run(worker, key)
            if last is not None and await worker.ledger.closed(last.id) is None:
                inside = await _finish(await _worker_of(worker, last), waits=waits)
                if inside:
                    await _park(worker, key, last, inside)
                asked += inside
    return asked


async def _park(worker: Worker, key: StepKey, run: RunRecord, asked: Sequence[Asked]) -> None:
    """The step waits with what its capsule's `finally` asks; who was at work on it was stopped."""
    begun = await worker.ledger.attempts_of.open_attempt(key)
    if begun is not None:
        questions = [Question(path_below(run.id, one), waiting) for one, waiting in asked]
        waits = asked_inside(key, run, questions)
        parked = replace(begun.attempt, ended_at=worker.now(), phase="Waiting", waiting=waits)
        with suppress(AttemptHeld):  # others have ended it meanwhile
            await worker.ledger.attempts_of.end(parked)


async def left_inside(worker: Worker, path: Sequence[str]) -> list[str]:
    """The runs of the capsule at this path of steps that have not ended."""
    found = [worker.run.id]
    for step in path:
        keys = [key for run in found for key in await worker.ledger.attempts_of.keys(run, step)]
        last = [run for run in [await last_run(worker, key) for key in keys] if run is not None]
        found = [run.id for run in last if await worker.ledger.closed(run.id) is None]
    return found


async def _worker_of(above: Worker, run: RunRecord) -> Worker:
    inside: Worker = replace(above, run=run, plan=await above.ledger.plan(run.id))
    return inside


async def _finish(worker: Worker, *, waits: bool) -> list[Asked]:
    """Runs `finally`, whatever else was not run, and ends the run; with `waits`, not before people have decided."""
    await worker.ledger.start(worker.run.id, worker.now())
    asked = await end_inside(worker, worker.plan.nodes, waits=waits)
    if asked:
        return asked
    drive = _Drive(replace(worker, stopped=_never), asyncio.Semaphore(_AT_ONCE))
    for node in worker.plan.finals:
        if not await drive.node(node) and waits:
            return await questions(worker.ledger, worker.run.id)
    await end_all(worker)
    return []


def _never() -> None:
    """Nobody stops `finally`."""


class _Drive:
    """One run inside, driven until it has ended or only waits for people."""

    def __init__(self, worker: Worker, places: asyncio.Semaphore) -> None:
        self._why: Failure | None = None
        self._why_around = worker.stopped
        self._inside: dict[StepKey, _Drive] = {}
        self._worker = with_capsules(replace(worker, stopped=self._stopped_for), places, self._inside)
        self._places = places
        self._at_work: dict[asyncio.Task[StepResult | Attempt], StepKey] = {}
        self._is_at_end = False

    async def go_on(self, left_s: float, limit_s: float) -> None:
        """When the time that is left is over, what is at work is cut off, `finally` runs, and the run ends."""
        worker = self._worker
        await worker.ledger.start(worker.run.id, worker.now())
        overtime = Failure(failure_class="timeout", message=f"cut off after {round(limit_s, 1):g} s")
        timer = asyncio.get_running_loop().call_later(left_s, self.stop, overtime)
        through: dict[str, asyncio.Task[bool]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for node in worker.plan.nodes:  # in topological order
                    needs = [through[edge.step] for edge in node.needs]
                    through[node.id] = group.create_task(self._in_turn(node, needs))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            timer.cancel()
        if self._is_stopped() or all(one.result() for one in through.values()):
            self._is_at_end = True
            await _finish(worker, waits=True)

    def stop(self, why: Failure) -> None:
        """Cuts off what is at work, capsules inside in the same way; `finally` is not."""
        if self._is_at_end or self._is_stopped():
            return
        self._why = why
        for task, key in self._at_work.items():
            if key in self._inside:
                self._inside[key].stop(why)
            else:
                task.cancel()

    async def _in_turn(self, node: Node, needs: Sequence[asyncio.Task[bool]]) -> bool:
        if needs:
            await asyncio.wait(needs)
            if not all(one.result() for one in needs):
                return False
        return await self.node(node)

    async def node(self, node: Node) -> bool:
        """Runs a step with all of its items. Whether it has ended; else people are asked, in it or before it."""
        key = StepKey(self._worker.run.id, node.id)
        if node.fan_out is None:
            return await self._ended(key)
        opened = await self._worker.open(key)
        if isinstance(opened, StepResult):
            return True
        limit = asyncio.Semaphore(node.fan_out.max_parallel or max(opened, 1))

        async def item(number: int) -> bool:
            async with limit:
                return await self._ended(key._replace(item=number))

        async with asyncio.TaskGroup() as group:
            items = [group.create_task(item(number)) for number in range(opened)]
        if not all(one.result() for one in items):
            return False
        await self._worker.close(key)
        return True

    async def _ended(self, key: StepKey) -> bool:
        while True:
            if self._is_stopped():
                await self._worker.kept_from(key)
                return True
            is_capsule = self._worker.plan.node(key.step).capsule
            step = asyncio.create_task(self._step(key, takes_place=not is_capsule))
            self._at_work[step] = key
            try:
                came = await step
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                if not self._is_stopped() and not await self._worker.is_stopped(key.step):
                    raise
                continue  # cut off at the deadline, or the run was cancelled and others ended what is inside the step
            finally:
                del self._at_work[step]
            if isinstance(came, StepResult):
                return True
            if came.waiting is not None:
                return False

    def _stopped_for(self) -> Failure | None:
        return self._why or self._why_around()

    def _is_stopped(self) -> bool:
        return self._why is not None

    async def _step(self, key: StepKey, *, takes_place: bool) -> StepResult | Attempt:
        """Capsules inside take no place: their steps do."""
        if not takes_place:
            return await self._worker.step(key)
        async with self._places:
            return await self._worker.step(key)
