"""The store that needs no server: one SQLite file in the data directory, in which one process at a time works."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from somagent.workflows.engines import lease as leases
from somagent.workflows.engines.local.faults import translated
from somagent.workflows.engines.local.schema import FILE_NAME, VERSION, open_reader, open_writer
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.machine import THIS_MACHINE, Machine
from somagent.workflows.engines.protocol import EngineError


class FileLease(leases.Lease):
    """A lease of the directory, and its epoch in the journal."""

    def take(self, db: sqlite3.Connection) -> int:  # type: ignore[override]
        super().take()
        db.execute("UPDATE lease SET epoch = epoch + 1")
        return _epoch(db)


class SqliteStore:
    """The journal of a data directory."""

    shared, tables_version, database = False, VERSION, "SQLite"
    unheld = ""  # who holds the lease works on all of them
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, directory: Path, machine: Machine = THIS_MACHINE) -> None:
        self.directory, self.path, self.machine = directory, directory / FILE_NAME, machine
        self.where = str(directory)
        self._flushing: dict[int, bool] = {}  # by connection: what its commits wait for

    def exists(self) -> bool:
        return self.path.exists()

    def close(self) -> None:
        pass

    def reader(self) -> sqlite3.Connection:
        return open_reader(self.path)

    def writer(self) -> sqlite3.Connection:
        return open_writer(self.path)

    def begin(self, db: sqlite3.Connection, names: Sequence[str], epoch: int | None, *, flush: bool) -> None:  # noqa: ARG002
        if flush != self._flushing.get(id(db), True):
            db.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
        self._flushing[id(db)] = flush
        db.execute("BEGIN IMMEDIATE")
        if epoch is not None and _epoch(db) != epoch:
            raise leases.taken_over(self.directory)

    def again(self, error: Exception) -> bool:  # noqa: ARG002
        return False

    def snapshot(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN")

    def version(self, db: sqlite3.Connection) -> int:
        """Changes whenever another connection, of any process, has written."""
        return int(db.execute("PRAGMA data_version").fetchone()[0])

    def lease(self, length_s: float, *, serves: bool, alone: bool = False) -> FileLease:  # noqa: ARG002 - all are
        return FileLease(self.directory, length_s, serves=serves, machine=self.machine)

    def check_free(self, db: sqlite3.Connection, *, serves: bool) -> None:  # noqa: ARG002
        leases.check_free(self.directory, self.machine)

    def claim(
        self,
        db: sqlite3.Connection,  # noqa: ARG002
        runs: Sequence[str],
        epoch: int,  # noqa: ARG002
        limit: int,
    ) -> Mapping[str, datetime | None]:
        """Whoever holds the lease works on all of them."""
        return dict.fromkeys(runs[:limit])

    def holders(self, db: sqlite3.Connection) -> Mapping[int, int]:
        pid = leases.holder(self.directory, self.machine)
        return {} if pid is None else {_epoch(db): pid}

    def server(self, db: sqlite3.Connection) -> int | None:  # noqa: ARG002
        return leases.server(self.directory, self.machine)

    def problems(self, db: sqlite3.Connection) -> Sequence[str]:
        try:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(20)")]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [] if found == ["ok"] else found

    def size(self, db: sqlite3.Connection) -> int:  # noqa: ARG002
        return self.path.stat().st_size

    def shrink(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM")

    def translated(self, error: Exception) -> EngineError:
        assert isinstance(error, sqlite3.Error)  # noqa: S101 - `errors` says so
        return translated(error, self.path)


def _epoch(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT epoch FROM lease").fetchone()[0])


def store_at(place: Path | Store) -> Store:
    """The store, or that of a data directory."""
    return SqliteStore(place) if isinstance(place, Path) else place
