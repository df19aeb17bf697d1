"""The machine that a simulated process runs on, handed to its store: its disk may fail, and it may die at a commit."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from world import Died, Process

from somagent.workflows.engines.local.sqlite import FileLease, SqliteStore
from somagent.workflows.engines.machine import Machine


class SimulatedMachine(Machine):
    """Time is the world's, and what real machines do in threads is done by callbacks."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        return self._process.world.now_us / 1_000_000

    def pause(self, seconds: float) -> None:
        """Nobody else can do anything meanwhile, so no time need pass."""

    def executor(self, name: str) -> SimulatedExecutor:
        return SimulatedExecutor(self._process)

    def every(self, seconds: float, name: str, sign: Callable[[], bool]) -> Callable[[], object]:
        ended: list[bool] = []

        def beat() -> None:
            if not ended and sign():
                self._process.loop.call_later(seconds, beat)

        self._process.loop.call_later(seconds, beat)
        return lambda: ended.append(True)


class SimulatedExecutor:
    """Work is done in its order, each after as long as the disk takes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._work: deque[Callable[[], object]] = deque()

    def submit(self, work: Callable[[], object], /) -> None:
        self._work.append(work)
        takes_us = self._process.world.commit_us()
        loop = self._process.loop
        loop.call_later(takes_us / 1_000_000, self._next) if takes_us else loop.call_soon(self._next)

    def shutdown(self) -> None:
        while self._work:
            self._next()

    def _next(self) -> None:
        if self._work:
            self._work.popleft()()


class SimulatedStore(SqliteStore):
    """SQLite on the real file; what a process has open is closed by the world when it dies."""

    def __init__(self, directory: Path, process: Process) -> None:
        super().__init__(directory, SimulatedMachine(process))
        self._process = process
        self.full_after = 0  # the disk fails at this commit of the process, counted from 1; 0: at none
        self.full_for = 1  # commits
        self.fails_late = False  # it says so although the commit is there
        self._commits = 0

    def refuses(self) -> bool:
        """Whether the disk fails at the commit that comes."""
        self._commits += 1
        refused = self.full_after > 0 and 0 <= self._commits - self.full_after < self.full_for
        if refused:
            self._process.world.log(self._process, "refused by the disk")
        return refused

    def reader(self) -> sqlite3.Connection:
        db = super().reader()
        self._process.owned.append(db.close)
        return db

    def writer(self) -> Any:
        db = super().writer()
        self._process.owned.append(db.close)
        return Disk(db, self)

    def lease(self, length_s: float, *, serves: bool, alone: bool = False) -> FileLease:
        lease = super().lease(length_s, serves=serves, alone=alone)
        self._process.owned.append(lease.release)
        return lease


class Disk:
    """A connection whose commits may fail."""

    def __init__(self, db: sqlite3.Connection, store: SimulatedStore) -> None:
        self._db, self._store = db, store
        self.close = db.close

    def execute(self, query: str, values: Any = (), /) -> Any:
        if query == "COMMIT" and self._store.refuses():
            if self._store.fails_late:
                self._db.execute(query)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._db.execute(query, values)


class Deaths:
    """The hook of an engine: it logs every commit, and ends the process at the place that was drawn."""

    def __init__(self, process: Process, point: str = "", count: int = 0) -> None:
        self._process, self._point, self._count = process, point, count

    def __call__(self, point: str) -> None:
        write, _, moment = point.partition(".")
        if moment == "committed":
            self._process.world.log(self._process, "commit", write)
        if point == self._point:
            self._count -= 1
            if self._count == 0:
                raise Died
