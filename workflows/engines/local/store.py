"""Where the rows of runs are kept: in a file of the data directory, or in a database that several workers share.

One set of SQL serves both; a store knows what differs: how a transaction begins, what makes a lease, who is at work.
Logs, large values and artifacts are files in the data directory with either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from somagent.workflows.engines.machine import Machine
from somagent.workflows.engines.protocol import EngineError


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Db(Protocol):
    """A connection; statements have `?` where values belong."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Executes one statement."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


class Lease(Protocol):
    """The right to work, from `take` until `release`, unless it is taken over by somebody else."""

    worked_until: datetime | None  # when a holder before gave its last sign that it was at work, as far as is known

    def take(self, db: Any) -> int:
        """Takes it inside a write transaction, and gives its epoch; raises `DataDirectoryHeld`."""
        ...

    def keep(self, lost: Callable[[], object]) -> None:
        """Gives signs from now on, in a thread; calls `lost` there, once, when somebody else took over."""
        ...

    def begin_work(self) -> None:
        """What holders before had at work is written down; signs speak of this one's own work from now on."""
        ...

    def is_lost(self) -> bool:
        """Whether somebody else took over, as far as is known without asking."""
        ...

    def release(self) -> None:
        """Lets go of it."""
        ...


class Store(Protocol):
    """The rows of the runs whose files are in `directory`; `where` is how people are told of it."""

    directory: Path
    machine: Machine  # on which transactions are made
    where: str
    errors: tuple[type[Exception], ...]
    database: str  # its name
    tables_version: int
    shared: bool  # several processes work on runs at once, each on its own
    unheld: str  # what is asked of a row of `runs` besides, so that nobody works on it

    def exists(self) -> bool:
        """Whether there has been a run."""
        ...

    def close(self) -> None:
        """Lets go of what it keeps for the next connection."""
        ...

    def reader(self) -> Db:
        """A connection that changes nothing; raises `UnknownRun` when there is nothing yet."""
        ...

    def writer(self) -> Db:
        """A connection for writing; makes the tables when they are not there."""
        ...

    def begin(self, db: Any, names: Sequence[str], epoch: int | None, *, flush: bool) -> None:
        """Begins a transaction of writes with these names; raises `DataDirectoryHeld` when the epoch has passed."""
        ...

    def again(self, error: Exception) -> bool:
        """Whether a transaction that ended with this error is to be tried again."""
        ...

    def snapshot(self, db: Any) -> None:
        """Begins a transaction that sees one moment."""
        ...

    def version(self, db: Any) -> int:
        """Another number whenever others may have written something that is waited for."""
        ...

    def lease(self, length_s: float, *, serves: bool, alone: bool = False) -> Lease:
        """A lease that ends when its holder gives no sign for so long; `alone`, nobody else works meanwhile."""
        ...

    def check_free(self, db: Any, *, serves: bool) -> None:
        """Raises `DataDirectoryHeld` when another process is at work that must be left to it."""
        ...

    def claim(self, db: Any, runs: Sequence[str], epoch: int, limit: int) -> Mapping[str, datetime | None]:
        """Those of the runs, at most so many, that are this worker's alone from now on; inside a write transaction.

        With the last sign of whoever worked on each of them before and is gone, where it is known.
        """
        ...

    def holders(self, db: Any) -> Mapping[int, int]:
        """The processes at work, by the epochs of their leases."""
        ...

    def server(self, db: Any) -> int | None:
        """The process that works on whatever is submitted, if there is one."""
        ...

    def problems(self, db: Any) -> Sequence[str]:
        """What the database says is wrong with what it keeps."""
        ...

    def size(self, db: Any) -> int:
        """Bytes that the rows take."""
        ...

    def shrink(self, db: Any) -> None:
        """Gives back the room of what is gone."""
        ...

    def translated(self, error: Exception) -> EngineError:
        """The error as people are told it."""
        ...


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    query = "&".join(one for one in parts.query.split("&") if not one.startswith("password="))
    return urlunsplit(parts._replace(netloc=f"{user}{parts.hostname or ''}{port}", query=query))
