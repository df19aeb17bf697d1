"""All writes go through one thread, and those of one turn of the event loop share one transaction and one fsync.

A write is a function of the connection. It checks before it changes anything, so one that is refused leaves the
others of its transaction alone. When SQLite itself fails, the whole transaction is undone and the writer takes nothing
more: what was not acknowledged is not in the journal as far as anybody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from somagent.workflows.engines.local.store import Db, Store

T = TypeVar("T")

# The places where a process may die and a test lets it, named and passed in; telemetry times commits by them. Before a
# write, in its open transaction, and when it is durable but nobody has been told.
Crash = Callable[[str], None]
Name = Literal["lease", "claim", "recover", "submit", "start", "open", "begin", "end", "record", "reserve", "spent",
               "child", "signal", "cancel", "stop", "close"]  # fmt: skip
WRITES: tuple[Name, ...] = get_args(Name)
CRASH_POINTS = tuple(f"{write}.{moment}" for write in WRITES for moment in ("before", "written", "committed"))


def survive(_point: str) -> None:
    """The hook of every real process: nothing happens."""


class _Write(NamedTuple):
    name: str
    operation: Callable[[Db], Any]
    flush: bool
    done: asyncio.Future[Any]


class Writer:
    def __init__(self, store: Store, crash: Crash) -> None:
        self.epoch: int | None = None  # of the lease; once set, every transaction checks that it still holds
        self._store, self._crash = store, crash
        self._db = store.writer()
        self._broken: Exception | None = None
        self._turn: list[_Write] = []
        self._busy = False  # the thread has a batch
        self._executor = store.machine.executor("somagent-journal")  # a cut transaction undoes itself

    async def write(self, name: Name, operation: Callable[[Db], T], *, flush: bool = True) -> T:
        """What the operation returned, after its commit.

        Without `flush` the commit outlives this process but perhaps not the machine: it reaches the disk with the next
        commit that does flush (one WAL, synced in order).
        """
        if self._broken is not None:
            raise self._broken
        loop = asyncio.get_running_loop()
        write = _Write(name, operation, flush, loop.create_future())
        if not self._turn:
            loop.call_soon(self._hand_over)
        self._turn.append(write)
        result: T = await write.done
        return result

    def close(self) -> None:
        """Ends the thread after what it was given; raises nothing, what is in the WAL is safe there."""
        if self._turn:
            self._executor.submit(partial(self._serve, self._turn))
        self._executor.shutdown()
        with contextlib.suppress(*self._store.errors):
            self._db.close()

    def _hand_over(self) -> None:
        if self._busy:
            return  # what gathers meanwhile shares the next transaction
        batch, self._turn = self._turn, []
        if batch and (self._store.shared or any(write.flush for write in batch)):
            self._busy = True
            self._executor.submit(partial(self._serve, batch))
        elif batch:  # no disk to wait for: waking the thread, which is idle, would take longer than the work
            _tell(batch, self._commit(batch))

    def _told(self, batch: list[_Write], outcomes: list[Any]) -> None:
        self._busy = False
        _tell(batch, outcomes)
        self._hand_over()

    def _serve(self, batch: list[_Write]) -> None:
        outcomes = self._commit(batch)
        try:
            batch[0].done.get_loop().call_soon_threadsafe(self._told, batch, outcomes)
        except RuntimeError:  # the loop is closed, nobody waits any more
            self._busy = False

    def _commit(self, batch: list[_Write]) -> list[Any]:
        if self._broken is not None:
            return [self._broken] * len(batch)
        flush = any(write.flush for write in batch)
        try:
            self._store.begin(self._db, [write.name for write in batch], self.epoch, flush=flush)
            outcomes = [self._apply(write) for write in batch]
            self._db.execute("COMMIT")
        except Exception as error:  # whatever it is, those who wait must hear of it
            with contextlib.suppress(*self._store.errors):
                self._db.execute("ROLLBACK")
            if self._store.again(error):
                return self._commit(batch)
            self._broken = self._store.translated(error) if isinstance(error, self._store.errors) else error
            return [self._broken] * len(batch)
        for write in batch:
            self._crash(f"{write.name}.committed")
        return outcomes

    def _apply(self, write: _Write) -> Any:
        self._crash(f"{write.name}.before")
        try:
            outcome = write.operation(self._db)
        except self._store.errors:
            raise
        except Exception as refusal:
            return refusal
        self._crash(f"{write.name}.written")
        return outcome


def _tell(batch: list[_Write], outcomes: list[Any]) -> None:
    for write, outcome in zip(batch, outcomes, strict=True):
        if write.done.done():  # its task was cancelled meanwhile; the row stands all the same
            continue
        if isinstance(outcome, Exception):
            write.done.set_exception(outcome)
        else:
            write.done.set_result(outcome)
