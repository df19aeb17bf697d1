"""A process that stays: it works on every run of a data directory, whoever submitted it, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic

from somagent.operators.runner.records import RunRecord
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.lease import holder
from somagent.workflows.engines.local.engine import LocalEngine
from somagent.workflows.engines.local.inbox import Inbox
from somagent.workflows.engines.local.reading import opened
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.parked import open_questions, questions
from somagent.workflows.engines.protocol import DataDirectoryHeld, EngineError, RunHeld, StorageFull, StoreUnreachable
from somagent.workflows.engines.slots import Limits

_LOOK_S = 0.15  # how often it looks whether somebody wrote, or gave the lease back
_LOOK_ANEW_S = 0.5
_ENDING_S = 0.2
_ALONE_S = 1.0
_NO_ROOM_S = 5.0  # how long it waits for room on the disk
_AT_ONCE = 200  # runs; what is at work of each is limited by the engine


class Worker:
    """Works on the runs of a store with the engines of `make_engine`: one after another, as its lease comes and goes.

    Where one process works at a time, it stands by while another one does; workers that share a store each take runs of
    their own. `say` gets a line for whatever people want to know; whom runs wait for is said
    again every `remind_s` seconds.
    """

    def __init__(
        self,
        place: Path | Store,
        make_engine: Callable[[], LocalEngine],
        say: Callable[[str], None],
        *,
        grace_s: float = 10.0,
        remind_s: float = 86_400.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store, self._make_engine, self._say = store_at(place), make_engine, say
        self._grace_s, self._remind_s, self._now = grace_s, remind_s, now
        self._stopping, self._at_once = asyncio.Event(), asyncio.Event()
        self._refused: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def stop(self) -> None:
        """Takes no new runs and begins no steps; what is at work may end by itself. Told again: stops at once."""
        (self._at_once if self._stopping.is_set() else self._stopping).set()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    async def serve(self) -> None:
        """Returns when it was told to stop, and has; raises `EngineError` when the directory cannot be used."""
        while not self._stopping.is_set():
            await self._stand_by()
            if self._stopping.is_set():
                return
            async with self._make_engine() as engine:
                try:
                    await engine.hold(serves=True)
                except DataDirectoryHeld as held:  # others stand by as well, and one was faster
                    if self._store.shared:  # somebody has it alone
                        self._say(f"stands by: {held}")
                        await _first(_ALONE_S, self._stopping)
                    continue
                await self._pursue_all(engine)

    async def _pursue_all(self, engine: LocalEngine) -> None:
        self._say(f"works in {self._store.where} (process {os.getpid()})")
        try:
            with opened(self._store) as rows:
                await self._work(engine, rows)
        except DataDirectoryHeld as error:
            self._say(str(error))
        except (StorageFull, StoreUnreachable) as error:
            self._say(f"{error}; tries again in {_NO_ROOM_S:g} s")
            await _first(_NO_ROOM_S, self._stopping)
        finally:
            await self._cut_off()

    async def _stand_by(self) -> None:
        pid = None if self._store.shared else holder(self._store.directory, self._store.machine)
        if pid is not None:
            self._say(f"stands by: process {pid} works in {self._store.where}")
            while holder(self._store.directory, self._store.machine) is not None and not self._stopping.is_set():
                await _first(_LOOK_S, self._stopping)

    async def _work(self, engine: LocalEngine, rows: Rows) -> None:
        inbox, seen, looked = Inbox(rows), -1, 0.0
        loop = asyncio.get_running_loop()
        remind_at = loop.time() + self._remind_s
        while not self._stopping.is_set():
            engine.check_lease()
            if loop.time() >= remind_at:
                remind_at = loop.time() + self._remind_s
                for line in _reminders(rows):
                    self._say(line)
            ended = self._gather(inbox)
            due, now = inbox.next_due(), self._now()
            # That a worker of a shared store has died is written by nobody.
            anew = self._store.shared and monotonic() - looked > _LOOK_ANEW_S
            if ended or anew or seen != (seen := rows.version()) or (due is not None and due <= now):
                if anew:
                    looked = monotonic()
                    inbox.look_around()
                await self._take(engine, rows, inbox, [one for one in inbox.ready(now) if one not in self._refused])
            await _first(_LOOK_S, self._stopping, *self._tasks.values())
        engine.begin_nothing()
        if engine.at_work:
            steps = "1 step" if engine.at_work == 1 else f"{engine.at_work} steps"
            self._say(f"stops; waits up to {self._grace_s:g} s for {steps} at work")
        end = asyncio.get_running_loop().time() + self._grace_s
        while engine.at_work and not self._at_once.is_set() and asyncio.get_running_loop().time() < end:
            await _first(0.05, self._at_once)
        if self._tasks:  # a run whose last step has just ended ends, too
            await asyncio.wait(self._tasks.values(), timeout=_ENDING_S)
        await self._cut_off()
        self._say("stopped; nothing recorded is lost")

    async def _take(self, engine: LocalEngine, rows: Rows, inbox: Inbox, ready: Sequence[str]) -> None:
        most = engine.places if self._store.shared else _AT_ONCE  # the others shall have some, too
        ready = self._within(engine.limits, rows, ready)
        free = [run_id for run_id in ready if run_id not in self._tasks]
        taken = await engine.claim(free, most - len(self._tasks)) if free and len(self._tasks) < most else []
        for run_id in taken:
            inbox.taken(run_id)
            self._begin(engine, rows, run_id)

    def _within(self, limits: Limits, rows: Rows, ready: Sequence[str]) -> Sequence[str]:
        """Without the runs that are one too many of their capsule; they are asked about again when one has ended."""
        if not limits.runs:
            return ready
        at_work = Counter(rows.run(run_id).run.capsule for run_id in self._tasks)
        within = []
        for run_id in ready:
            capsule = rows.run(run_id).run.capsule
            if run_id not in self._tasks:
                if at_work[capsule] >= limits.runs.get(capsule, _AT_ONCE):
                    continue
                at_work[capsule] += 1
            within.append(run_id)
        return within

    def _begin(self, engine: LocalEngine, rows: Rows, run_id: str) -> None:
        row = rows.run(run_id)
        self._say(f"{run_id} {'goes on' if row.started_at else 'begins'}: {_told(row.run)}")
        self._tasks[run_id] = asyncio.create_task(self._pursue(engine, rows, run_id))

    async def _pursue(self, engine: LocalEngine, rows: Rows, run_id: str) -> None:
        try:
            row = await engine.pursue(run_id)
        except RunHeld:
            pass  # another worker was faster
        except (DataDirectoryHeld, StorageFull, StoreUnreachable):
            raise
        except EngineError as error:
            self._refused.add(run_id)
            self._say(f"{run_id} cannot be gone on with: {error}")
        except Exception as error:  # it must not end the others
            self._refused.add(run_id)
            self._say(f"{run_id} met a fault of SomaGent: {type(error).__name__}: {error}")
        else:
            why = f": {row.outcome.failure.message}" if row.outcome.failure else ""
            if row.phase == "Waiting":
                why = f" for people: {', '.join(question.path for question in questions(rows, run_id))}"
            self._say(f"{run_id} {row.phase}{why}")

    def _gather(self, inbox: Inbox) -> bool:
        """Forgets the tasks that have ended; raises what ends all work."""
        ended = [run_id for run_id, task in self._tasks.items() if task.done()]
        for run_id in ended:
            self._tasks.pop(run_id).result()
            inbox.parked(run_id)
        return bool(ended)

    async def _cut_off(self) -> None:
        """Ends what is at work; each run can be gone on with by who comes next."""
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        for run_id, task in tasks.items():
            with contextlib.suppress(asyncio.CancelledError, EngineError):
                await task
            if task.cancelled():
                self._say(f"{run_id} is left as it is; who works here next goes on with it")


def _reminders(rows: Rows) -> Iterator[str]:
    for run_id in rows.left(parked=True):
        for one in open_questions(rows, run_id):
            until = f", until {one.waiting.due:%Y-%m-%d %H:%M %Z}" if one.waiting.due is not None else ""
            yield f"{run_id} waits since {one.since:%Y-%m-%d %H:%M %Z}{until} for {one.who}: {one.step}"


def _told(run: RunRecord) -> str:
    return f"{run.capsule}, submitted by {run.submitter}"


async def _first(seconds: float, *what: asyncio.Event | asyncio.Task[None]) -> None:
    """Waits for so many seconds, or until one of these has happened."""
    tasks = [one if isinstance(one, asyncio.Task) else asyncio.ensure_future(one.wait()) for one in what]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one, task in zip(what, tasks, strict=True):
        if one is not task:
            task.cancel()
