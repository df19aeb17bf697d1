"""One run at work: every step starts as soon as what it needs has ended, in no other order.

The state is rebuilt from rows when an execution begins and changed by what tasks answer; there is no other memory of
how far a run is. A failed step stops nothing but what needs it, so that every engine gives the same set of phases.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap, deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.deciding import outcome
from somagent.operators.runner.fan_out import close_fan_out, open_fan_out
from somagent.operators.runner.records import (
    NO_ITEM,
    Attempt,
    Failure,
    Phase,
    RunRecord,
    StepKey,
    StepResult,
    Waiting,
)
from somagent.operators.runner.run_step import run_step
from somagent.workflows.engines import rules
from somagent.workflows.engines.ahead import Ahead, can_begin_ahead
from somagent.workflows.engines.children import Children
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.countdown import Countdown
from somagent.workflows.engines.slots import Slots
from somagent.workflows.engines.sub_capsules import nodes_of
from somagent.workflows.engines.written import Written

T = TypeVar("T")


class _Fan(Struct, eq=False):
    """A fan-out step that has been opened."""

    step: str
    total: int
    limit: int  # items at work at once
    left: int  # items without a result
    startable: deque[int]
    at_work: int = 0
    queued: bool = False


class _Task(NamedTuple):
    """What a task's answer is for; `key` when the task is an attempt or the wait for one, which may be cut off."""

    then: Callable[[Any], None]
    key: StepKey | None
    is_attempt: bool


class Execution:
    """One run, from where its rows say it is until it has ended or only waits for people."""

    def __init__(
        self,
        run: RunRecord,
        plan: Plan,
        written: Written,
        *,
        clock: Clock,
        slots: Slots,
        children: Children,
        attempt: Mapping[str, Any],
        stopped_for: Failure | None = None,
    ) -> None:
        """`attempt` is what `run_step` takes beside what all of the step runner's functions take.

        With `stopped_for` nothing but `finally` steps is begun.
        """
        self._run, self._plan, self._written, self._rows = run, plan, written, written.rows
        self._slots, self._clock, self._sleep, self._now = slots, clock, clock.sleep, clock.now
        self._children, self._capsules = children, {node.id for node in nodes_of(plan) if node.capsule}
        ledger = Ahead(written, self._following)
        self._common: dict[str, Any] = {"plan": plan, "run": run, "ledger": ledger, "now": clock.now}
        self._attempt = {**self._common, **attempt}
        self._phases: dict[str, Phase] = {}
        self._items: dict[str, set[int]] = {}  # items with a result when the execution began
        self._unfinished: dict[StepKey, Attempt] = {}
        self._blocked: dict[str, set[str]] = {}  # steps without a result, and which of their needs have none either
        self._dependents: dict[str, list[Node]] = {}
        self._finals: deque[Node] = deque()
        self._fans: dict[str, _Fan] = {}
        self._uses = {node.id: slots.limited(plan, node) for node in nodes_of(plan)}
        self._ready: dict[tuple[str, ...], deque[StepKey | _Fan]] = {uses: deque() for uses in self._uses.values()}
        self._told: dict[StepKey, int] = {}  # tokens of a step that are counted in the rates of what it uses
        self._waker: asyncio.Task[Any] | None = None
        self._countdown: Countdown | None = None  # of the run's budget of time
        self._tasks: dict[asyncio.Task[Any], _Task] = {}
        self._parked: dict[StepKey, Waiting] = {}
        self._tried: dict[StepKey, object] = {}  # what a parked step was run again for
        self.stopped_for = stopped_for  # why steps that have not ended are given up
        self._loaded = self._stopping = False
        self._quiet: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def execute(self) -> Phase:
        """Goes on until nothing is left to do: the run's phase, `Waiting` when only people can go on.

        However it is left, no task and no process of a step is at work afterwards.
        """
        self._slots.runs.append(self._fill)
        left = rules.wall_clock_left(self._plan, self._rows.attempts(self._run.id), self._now())
        if left is not None:
            self._countdown = Countdown(left, self._clock, lambda: self.stop(rules.overtime(self._plan)))
        try:
            self._load()
            self._loaded = True
            self.look()
            await self._quiet
            while self._tasks or any(self._ready.values()):  # somebody decided in the moment when all was quiet
                self._quiet = asyncio.get_running_loop().create_future()
                await self._quiet
        finally:
            self._stopping, self._loaded = True, False
            if self._countdown is not None:
                self._countdown.close()
            self._slots.runs.remove(self._fill)
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
        return "Waiting" if self._parked else rules.phase_of(self._plan, self._phases)

    def look(self) -> None:
        """Takes in what people wrote down, a cancellation or decisions, and that a due date passed."""
        if not self._loaded:
            return  # it looks when it begins
        by = self._rows.cancelled_by(self._run.id)
        if by is not None:
            self.stop(rules.cancellation(by))
        for key, waiting in list(self._parked.items()):
            self._park(key, waiting)
        self._turn()

    def stop(self, why: Failure) -> None:
        """Gives up what has not ended; `finally` steps run, and then the run ends."""
        if not self._loaded:
            self.stopped_for = self.stopped_for or why
        elif self.stopped_for is None and self._blocked:
            self._give_up_all(why)
            self._turn()

    def has_due_dates(self) -> bool:
        """Whether parked steps should be looked at although nobody wrote anything."""
        return any(waiting.due is not None for waiting in self._parked.values())

    def fail(self, error: BaseException) -> None:
        """Ends the execution with an error of the engine's, not of a step's."""
        if not self._quiet.done():
            self._quiet.set_exception(error)

    def _load(self) -> None:
        for (step, item), phase in self._rows.phases(self._run.id).items():
            if item == NO_ITEM:
                self._phases[step] = phase
            else:
                self._items.setdefault(step, set()).add(item)
        self._unfinished = self._rows.unfinished(self._run.id)
        by = self._rows.cancelled_by(self._run.id)
        if by is not None:  # before anything starts, so that nothing does
            self.stopped_for = self.stopped_for or rules.cancellation(by)
        self._finals.extend(node for node in self._plan.finals if node.id not in self._phases)
        left = [node for node in self._plan.nodes if node.id not in self._phases]
        for node in left:
            needs = self._blocked[node.id] = {edge.step for edge in node.needs} - self._phases.keys()
            for step in needs:
                self._dependents.setdefault(step, []).append(node)
        for node in left:
            if not self._blocked[node.id]:
                self._start(node)
        self._next_final()

    def _start(self, node: Node) -> None:
        """All that the node needs has ended; `finally` needs nothing and cannot be cancelled."""
        key = StepKey(self._run.id, node.id)
        barrier = rules.in_the_way(self._plan, node, self._phases) if self._blocked else ""
        if barrier:
            self._spawn(self._written.record(None, rules.omitted(key, barrier, self._now())), self._ended)
        elif self._is_stopped() and not self._has_items(node.id):
            self._give_up(key)
        elif node.fan_out is not None:
            self._spawn(self._open(key), partial(self._opened, node))
        else:
            self._take_up(key)

    def _has_items(self, step: str) -> bool:
        """Whether items of the step were at work before; then each ends by itself, and the step with the last."""
        return step in self._items or any(key.step == step and key.item != NO_ITEM for key in self._unfinished)

    def _take_up(self, key: StepKey) -> None:
        """Goes on with a step or item where its last attempt left it."""
        last = self._unfinished.pop(key, None)
        if last is not None and (last.waiting or last.retry_at):
            self._attempted(key, last)
        else:
            self._enqueue(key)

    def _enqueue(self, key: StepKey) -> None:
        if key.item == NO_ITEM:
            self._ready[self._uses[key.step]].append(key)
        else:
            fan = self._fans[key.step]
            fan.startable.append(key.item)
            self._offer(fan)

    def _offer(self, fan: _Fan) -> None:
        """Fan-outs queue as one and hand out an item per turn, so that a long one starves nobody."""
        if not fan.queued and fan.startable and (fan.limit == 0 or fan.at_work < fan.limit):
            fan.queued = True
            self._ready[self._uses[fan.step]].append(fan)

    def _fill(self) -> None:
        """Begins what there is room for; what waits for a resource keeps nothing waiting that can do without it."""
        began = True
        while began:
            began = False
            for uses, queue in self._ready.items():
                if queue and self._slots.free > 0 and not self._stopping and self._slots.take(uses):
                    self._begin(queue.popleft())
                    began = True
        if self._waker is None and not self._stopping:
            waits = [self._slots.wait_s(uses) for uses, queue in self._ready.items() if uses and queue]
            if any(waits):
                self._waker = self._spawn(self._sleep(min(filter(None, waits))), lambda _: None)

    def _begin(self, found: StepKey | _Fan) -> None:
        if isinstance(found, _Fan):
            found.queued = False
            found.at_work += 1
            key = StepKey(self._run.id, found.step, found.startable.popleft())
            self._offer(found)
        else:
            key = found
        if key.step not in self._capsules:  # those inside take the places
            self._slots.free -= 1
        if self._countdown is not None:
            self._countdown.begin()
        self._spawn(run_step(key, **self._attempt), partial(self._attempted, key), key, is_attempt=True)

    def _attempted(self, key: StepKey, answer: StepResult | Attempt) -> None:
        self._count_tokens(key, answer)
        if isinstance(answer, StepResult):
            self._ended(answer)
        elif self._is_stopped():
            self._give_up(key)
        elif answer.waiting is not None:
            self._park(key, answer.waiting)
        else:
            start, until = answer.ended_at or answer.started_at, answer.retry_at or answer.started_at
            # A clock that was set back since must not make the wait longer than it was meant to be.
            wait = max(min(until - self._now(), until - start), timedelta())
            self._spawn(self._sleep(wait.total_seconds()), lambda _: self._enqueue(key), key)

    def _count_tokens(self, key: StepKey, answer: StepResult | Attempt) -> None:
        uses = self._uses[key.step]
        if uses:
            spent = answer.spent if isinstance(answer, StepResult) else answer.spent_before.plus(answer.spent)
            self._slots.spend(uses, spent.tokens - self._told.get(key, 0))
            self._told[key] = spent.tokens

    def _park(self, key: StepKey, waiting: Waiting) -> None:
        now, seen = self._now(), object()
        if waiting.child:
            decided, seen = self._children.news(waiting.child, now)
        else:
            decisions = self._rows.decisions_on(key)
            seen = (len(decisions), waiting.due is not None and now >= waiting.due)
            decided = outcome(waiting, decisions, submitter=self._run.started_by, now=now) is not None
        if decided and self._tried.get(key) != seen:
            self._tried[key] = seen
            self._parked.pop(key, None)
            self._enqueue(key)
        else:
            self._parked[key] = waiting

    def _ended(self, result: StepResult) -> None:
        step, item = result.key.step, result.key.item
        if item != NO_ITEM:
            self._fans[step].left -= 1
            self._close_if_done(self._fans[step])
            return
        self._phases[step] = result.phase
        self._blocked.pop(step, None)
        for node in self._dependents.pop(step, ()):
            self._blocked[node.id].discard(step)
            if not self._blocked[node.id]:
                self._start(node)
        self._next_final()

    def _following(self, result: StepResult) -> list[StepKey]:
        """What can begin together with this result of an attempt, as far as there is room for it."""
        step, item = result.key.step, result.key.item
        if item != NO_ITEM or result.phase != "Succeeded" or self._is_stopped() or any(self._ready.values()):
            return []
        alone = len(self._slots.runs) == 1 and step not in self._capsules  # then it gets the place that is given back
        phases: Mapping[str, Phase] = ChainMap({step: result.phase}, self._phases)
        found = []
        for node in self._dependents.get(step, ()):
            if self._blocked[node.id] == {step} and can_begin_ahead(node) and not self._uses[node.id]:
                key = StepKey(self._run.id, node.id)
                if key not in self._unfinished and not rules.in_the_way(self._plan, node, phases):
                    found.append(key)
        return found[: max(self._slots.free + alone, 0)]

    def _next_final(self) -> None:
        if self._finals and not self._blocked:
            self._start(self._finals.popleft())

    async def _open(self, key: StepKey) -> StepResult | int:
        opened = await open_fan_out(key, **self._common)
        if isinstance(opened, int):
            await self._written.opened(key, opened, self._now())
        return opened

    def _opened(self, node: Node, opened: StepResult | int) -> None:
        if isinstance(opened, StepResult):
            self._ended(opened)
            return
        left = [item for item in range(opened) if item not in self._items.get(node.id, ())]
        limit = node.fan_out.max_parallel if node.fan_out else 0
        if node.capsule:  # they take no places themselves
            limit = min(limit or self._slots.places, self._slots.places)
        fan = self._fans[node.id] = _Fan(node.id, opened, limit, len(left), deque())
        for item in left:
            key = StepKey(self._run.id, node.id, item)
            self._give_up(key) if self._is_stopped() else self._take_up(key)
        self._close_if_done(fan)

    def _close_if_done(self, fan: _Fan) -> None:
        if not fan.left:
            key = StepKey(self._run.id, fan.step)
            self._spawn(close_fan_out(key, fan.total, **self._common), self._ended)

    def _is_stopped(self) -> bool:
        return self.stopped_for is not None and bool(self._blocked)

    def _give_up_all(self, why: Failure) -> None:
        """Cuts off what is at work and gives up what waits; what needs those is omitted by the usual rule."""
        self.stopped_for = why
        ready = [one for queue in self._ready.values() for one in queue]
        given_up = [*self._parked, *(key for key in ready if isinstance(key, StepKey))]
        for fan in self._fans.values():
            given_up += [StepKey(self._run.id, fan.step, item) for item in fan.startable]
            fan.startable.clear()
        self._parked.clear()
        for queue in self._ready.values():
            queue.clear()
        if self._waker is not None:
            self._waker.cancel()
        for key in given_up:
            self._give_up(key)
        for task, what in self._tasks.items():
            inside = what.is_attempt and what.key is not None and what.key.step in self._capsules
            if what.key is not None and not (inside and self._children.stop(what.key, why)):
                task.cancel()

    def _give_up(self, key: StepKey) -> None:
        if self.stopped_for is not None:
            self._spawn(self._given_up(key, self.stopped_for), partial(self._was_given_up, key))

    async def _given_up(self, key: StepKey, why: Failure) -> StepResult | None:
        """None when people are asked in `finally` of the step's capsule, which ends before the step does."""
        spent = None
        if key.step in self._capsules:
            spent = await self._children.end(key, why)
            if spent is None:
                return None
        return await self._written.record(
            None, rules.given_up(key, self._rows.attempts_of(key), why, self._now(), spent)
        )

    def _was_given_up(self, key: StepKey, result: StepResult | None) -> None:
        if result is not None:
            self._ended(result)
            return
        attempts = self._rows.attempts_of(key)
        if attempts and attempts[-1].waiting is not None:
            self._park(key, attempts[-1].waiting)
        else:
            self._enqueue(key)  # its attempt says that it waits

    def _spawn(
        self,
        work: Coroutine[Any, Any, T],
        then: Callable[[T], None],
        key: StepKey | None = None,
        *,
        is_attempt: bool = False,
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = _Task(then, key, is_attempt)
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[Any]) -> None:
        what = self._tasks.pop(task)
        if task is self._waker:
            self._waker = None
        if what.is_attempt and what.key is not None:
            if self._countdown is not None:
                self._countdown.end()
            self._slots.give_back(self._uses[what.key.step])
            if what.key.step not in self._capsules:
                self._slots.free += 1
            if what.key.item != NO_ITEM:
                self._fans[what.key.step].at_work -= 1
                self._offer(self._fans[what.key.step])
        try:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
            if not self._stopping and not task.cancelled():
                what.then(task.result())
            elif not self._stopping and what.key is not None:
                self._give_up(what.key)
            self._turn()
        except Exception as error:  # callbacks have nobody who hears of their errors; the run does
            self.fail(error)

    def _turn(self) -> None:
        self._slots.share()
        if not (self._tasks or any(self._ready.values()) or self._quiet.done()):
            self._quiet.set_result(None)
