"""The world in which everything happens: one seed, one time, processes that take turns, and a log of what they did.

Time stands still while anything can run, and then it is the time of whatever is due next. Every choice is drawn from
the seed, so the same seed is the same world, callback by callback.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import random
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from loop import Loop

_BEGAN = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
_FAILED = ("failed", "cut off")
_LIMIT_US = 3_600_000_000  # a run that has not ended by then never does: all that it waits for takes seconds
_MOST_CALLBACKS = 100_000  # most lives have 500


class Entry(NamedTuple):
    """Something that happened."""

    at_us: int
    process: int
    what: str
    place: str
    data: Any = None


class Died(BaseException):
    """Ends a simulated process in the middle of a callback."""


class Stuck(Exception):
    """Nothing is left that could happen, and the run has not ended."""


@dataclass
class Weather:
    """How the machine is in this seed."""

    in_order: bool = False  # callbacks run in the order in which they became ready, as on asyncio's own loop
    commit_us: int = 0  # the longest that a commit takes
    thread_us: int = 0


class Process:
    """A process of the machine: its loop, and what the machine takes back when it ends."""

    def __init__(self, world: World, number: int, name: str) -> None:
        self.world, self.number, self.name = world, number, name
        self.loop = Loop(world)
        self.paused = False
        self.left: int | None = None  # callbacks until it meets what was drawn for it
        self.meets: Callable[[], None] | None = None
        self.main: asyncio.Task[Any] | None = None
        self.over = ""  # how it ended
        self.result: Any = None
        self.owned: list[Callable[[], object]] = []  # what closes its files
        self.after: Callable[[], None] | None = None  # called after each callback

    @property
    def can_run(self) -> bool:
        return not self.over and not self.paused

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        self.world.log(self, "start", self.name)
        self.main = self.loop.create_task(work)
        self.main.add_done_callback(self._ended)

    def die(self) -> None:
        """As by SIGKILL: nothing of it runs any more, not even `finally`; its files are closed by the machine."""
        if not self.over:
            self._end("died")
            self.world.graves.append(self)

    def pause(self) -> None:
        """As by SIGSTOP."""
        if not self.over:
            self.paused = True
            self.world.log(self, "pause", self.name)

    def go_on(self) -> None:
        """As by SIGCONT; what was due meanwhile is due now."""
        if not self.over and self.paused:
            self.paused = False
            self.loop.wake()
            self.world.log(self, "go on", self.name)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self.over:
            return
        error = None if task.cancelled() else task.exception()
        self.result = error if error is not None else task.result()
        left = [one for one in self.loop.tasks if not one.done()]
        if left:
            self.world.graves.append(self)
        told = [one for one in left if one.cancelling()]  # `asyncio.run` waits for them
        how = f"failed: {type(error).__name__}" if error is not None else "ended"  # its text has a folder's name
        self._end(how, len(left) - len(told))

    def _end(self, how: str, left: int = 0) -> None:
        self.over = how
        self.world.log(self, "over", self.name, (how, left))
        for close in self.owned:
            close()
        self.world.wake_waiting()


@dataclass
class World:
    """See above."""

    seed: int
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.now_us = 1_000_000_000
        self.set_by_us = 0  # how far somebody set the wall clock
        self.set_most_us = 0
        self.processes: list[Process] = []
        self.graves: list[Process] = []  # kept until this real process ends, so that no `finally` of theirs runs
        self.entries: list[Entry] = []
        self.failed: Counter[str] = Counter()  # how often work at a place failed or was cut off
        self._choices = array("I")
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._numbers = self._callbacks = 0

    def wall(self) -> datetime:
        """What a look at the clock on the wall gives."""
        return _BEGAN + timedelta(microseconds=self.now_us + self.set_by_us)

    def set_clock(self, by_us: int) -> None:
        """Somebody sets the clock on the wall."""
        self.log(self.processes[0], "sets the clock", "", by_us)
        self.set_by_us += by_us
        self.set_most_us = max(self.set_most_us, abs(self.set_by_us), abs(by_us))

    def executor_us(self) -> int:
        return self.draw.randint(0, self.weather.thread_us) if self.weather.thread_us else 0

    def commit_us(self) -> int:
        return self.draw.randint(0, self.weather.commit_us) if self.weather.commit_us else 0

    def log(self, process: Process, what: str, place: str = "", data: Any = None) -> None:
        self.failed[place] += what in _FAILED
        self.entries.append(Entry(self.now_us, process.number, what, place, data))

    def process(self, name: str) -> Process:
        """A new one; `start` it."""
        process = Process(self, len(self.processes), name)
        self.processes.append(process)
        return process

    def at(self, when_us: int, event: Callable[[], None]) -> None:
        """Something that happens to the machine."""
        self._numbers += 1
        heapq.heappush(self._events, (max(when_us, self.now_us), self._numbers, event))

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits, in the loop of whoever asks, for the end of some process."""
        while not happened():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((happened, future))
            await future

    def wake_waiting(self) -> None:
        woken = [one for one in self._waiting if one[0]()]
        self._waiting = [one for one in self._waiting if one not in woken]
        for _, future in woken:
            if not future.done():
                future.set_result(None)

    def run(self, main: Process) -> None:
        """Lets everything happen until `main` is over; raises `Stuck`."""
        while not main.over:
            self._callbacks += 1
            if self._callbacks > _MOST_CALLBACKS:
                raise Stuck(f"it goes round in circles at {self.now_us} us")
            able = [one for one in self.processes if one.loop.ready and one.can_run]
            if able:
                self._step(able[0] if len(able) == 1 else able[self._choose(len(able))])
            elif not self._pass_time():
                raise Stuck(f"nothing is left to happen after {len(self._choices)} choices")

    def digest(self) -> str:
        """Of everything that happened, and of every choice."""
        whole = hashlib.blake2b(self._choices.tobytes(), digest_size=16)
        for entry in self.entries:
            whole.update(repr(tuple(entry)).encode())
        return whole.hexdigest()

    def _choose(self, count: int) -> int:
        choice = int(self.draw.random() * count)
        self._choices.append(choice)
        return choice

    def _step(self, process: Process) -> None:
        ready = process.loop.ready
        choice = 0 if len(ready) == 1 or self.weather.in_order else self._choose(len(ready))
        handle = ready.pop(choice)
        if process.left is not None:
            process.left -= 1
            if process.left < 0:
                ready.insert(choice, handle)
                process.left, meets = None, process.meets
                if meets is not None:
                    meets()
                return
        asyncio._set_running_loop(process.loop)
        try:
            handle.run()
        except Died:
            process.die()
        finally:
            asyncio._set_running_loop(None)
        if process.after is not None:
            process.after()

    def _pass_time(self) -> bool:
        times = [one.loop.next_us() for one in self.processes if one.can_run]
        due = min((time for time in times if time is not None), default=None)
        if self._events and (due is None or self._events[0][0] <= due):
            when, _, event = heapq.heappop(self._events)
            self.now_us = max(self.now_us, when)
            event()
            return True
        if due is None or due > _LIMIT_US + 1_000_000_000:
            return False
        self.now_us = max(self.now_us, due)
        for one in self.processes:
            if one.can_run:
                one.loop.wake()
        return True
