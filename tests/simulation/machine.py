"""The machine that a simulated process runs on, handed to its store: its disk may fail, and it may die at a commit."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
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

    def wall(self) -> datetime:
        return self._process.world.wall()

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


class Connections:
    """The connections to one journal: a process gets one that another has closed, since opening takes the longest."""

    def __init__(self) -> None:
        self._free: dict[str, list[sqlite3.Connection]] = {"reader": [], "writer": []}

    def take(self, kind: str, opened: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        return self._free[kind].pop() if self._free[kind] else opened()

    def give_back(self, kind: str, db: sqlite3.Connection) -> None:
        """Whatever was not committed is undone, as when the file is closed."""
        if db.in_transaction:
            db.execute("ROLLBACK")
        self._free[kind].append(db)

    def close(self) -> None:
        for db in (*self._free["reader"], *self._free["writer"]):
            db.close()


class SimulatedStore(SqliteStore):
    """SQLite on the real file; what a process has open is closed by the world when it dies."""

    def __init__(self, directory: Path, process: Process, connections: Connections) -> None:
        super().__init__(directory, SimulatedMachine(process))
        self._process, self._connections = process, connections
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

    def reader(self) -> Any:
        return self._opened("reader", super().reader)

    def writer(self) -> Any:
        return self._opened("writer", super().writer)

    def lease(self, length_s: float, *, serves: bool, alone: bool = False) -> FileLease:
        lease = super().lease(length_s, serves=serves, alone=alone)
        self._process.owned.append(lease.release)
        return lease

    def _opened(self, kind: str, opened: Callable[[], sqlite3.Connection]) -> Connection:
        connection = Connection(self, kind, self._connections.take(kind, opened))
        self._process.owned.append(connection.close)
        return connection

    def closed(self, kind: str, db: sqlite3.Connection) -> None:
        self._connections.give_back(kind, db)


class Connection:
    """A connection that its process has; commits on it may fail."""

    def __init__(self, store: SimulatedStore, kind: str, db: sqlite3.Connection) -> None:
        self._store, self._kind = store, kind
        self._db: sqlite3.Connection | None = db
        self._execute = db.execute

    def execute(self, query: str, values: Any = (), /) -> Any:
        if query == "COMMIT" and self._store.refuses():
            if self._store.fails_late:
                self._execute(query)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._execute(query, values)

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            self._execute = _closed
            self._store.closed(self._kind, db)


def _closed(query: str, values: Any = ()) -> Any:
    raise sqlite3.ProgrammingError("Cannot operate on a closed database.")


class Deaths:
    """The hook of an engine: it logs every commit of what was not refused, and ends the process where it was drawn."""

    def __init__(self, process: Process, point: str = "", count: int = 0) -> None:
        self._process, self._point, self._count = process, point, count
        self._written: Counter[str] = Counter()  # and not committed

    def __call__(self, point: str) -> None:
        write, _, moment = point.partition(".")
        if moment == "written":
            self._written[write] += 1
        elif moment == "committed" and self._written[write]:
            self._written[write] -= 1
            self._process.world.log(self._process, "commit", write)
        if point == self._point:
            self._count -= 1
            if self._count == 0:
                raise Died
