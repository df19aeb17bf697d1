"""The store that several workers share: a PostgreSQL database, in which each of them works on runs of its own.

A worker is a row with an expiry by the database's clock, and a session that has an advisory lock: the server ends it at
once when the process dies, and the expiry is for one that was stopped. Its epoch is its fencing token: every
transaction of a worker locks that row against being removed, and finds out if it was (`FOR KEY SHARE`, which signs of
life do not wait for). Whoever wants the runs of a worker that is not alive removes its row first, so from that commit
on the old one writes nothing. Runs are claimed with `FOR UPDATE SKIP LOCKED`: workers that look at the same moment get
different ones.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from somagent.workflows.engines import lease as leases
from somagent.workflows.engines.local.postgres_schema import CHAIN, VERSION, bring_up_to_date, version_of
from somagent.workflows.engines.local.store import without_password
from somagent.workflows.engines.machine import THIS_MACHINE
from somagent.workflows.engines.protocol import (
    DataDirectoryHeld,
    EngineError,
    StorageFull,
    StoreUnreachable,
    UnknownRun,
)

try:
    import psycopg
except ImportError:  # the extra `postgres`
    psycopg = None  # type: ignore[assignment]

_UNHELD = "AND (epoch = 0 OR epoch NOT IN (SELECT epoch FROM alive))"
_PATIENCE_S = 10  # for a connection, and for a lock of a transaction that is stuck
_PEOPLE, _DECIDE = {"submit", "signal", "cancel", "prune"}, {"signal", "cancel"}
_UNFENCED = {*_PEOPLE, "lease"}
_TOLD = {"submit", "signal", "cancel", "close", "stop"}  # what others wait for
_IDLE = 4  # connections for reading that are kept


class Connection:
    """A connection to PostgreSQL that takes the statements of SQLite: `?` where values belong."""

    def __init__(self, url: str, idle_in_transaction_s: float = 0) -> None:
        self.raw = psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE_S, application_name="somagent")
        self.heard = -1  # how often somebody told that something was written; -1: it does not listen
        # A process that was stopped inside a transaction must not keep its locks.
        milliseconds = int(idle_in_transaction_s * 1000)
        self.raw.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
        self.raw.execute(f"SET lock_timeout = {_PATIENCE_S * 1000}")

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        return self.raw.execute(query.replace("?", "%s"), values or None)

    def close(self) -> None:
        self.raw.close()


class PostgresStore:
    """Rows in a database, whose address is `url`; files in `directory`, which all workers must have in common."""

    shared, tables_version, database = True, VERSION, "PostgreSQL"
    machine = THIS_MACHINE

    def __init__(self, url: str, directory: Path) -> None:
        """Raises `EngineError` when the driver is not installed."""
        if psycopg is None:
            raise EngineError("a store in PostgreSQL needs the extra `postgres`: pip install 'somagent[postgres]'")
        self.url, self.directory, self.where = url, directory, without_password(url)
        self.errors: tuple[type[Exception], ...] = (psycopg.Error,)
        self.unheld = _UNHELD
        self._idle: list[Connection] | None = None  # kept from `writer` to `close`
        self._length_s = leases.LENGTH_S

    def exists(self) -> bool:
        return True  # `reader` says when it does not

    def close(self) -> None:
        """Ends the connections that are kept."""
        idle, self._idle = self._idle or [], None
        for one in idle:
            one.raw.close()

    def reader(self) -> Connection:
        if self._idle:
            return self._idle.pop()
        db = self._connected(_Reader, self)
        try:
            version = version_of(db, self.where)
        except psycopg.Error as error:
            db.raw.close()
            raise self.translated(error) from error
        except BaseException:
            db.raw.close()
            raise
        if version < VERSION:
            if not version:
                db.raw.close()
                raise UnknownRun(f"there are no runs in {self.where}")
            self.writer().close()
        return db

    def writer(self) -> Connection:
        db = self._connected(Connection, self._length_s)
        try:
            with db.raw.transaction():
                bring_up_to_date(db, self.where)
        except psycopg.Error as error:
            db.close()
            raise self.translated(error) from error
        except BaseException:
            db.close()
            raise
        self._idle = self._idle or []
        return db

    def keeps(self, reader: Connection) -> bool:
        """Keeps a connection for the next one who reads, if there is to be one."""
        if self._idle is None or len(self._idle) >= _IDLE:
            return False
        self._idle.append(reader)
        return True

    def begin(self, db: Connection, names: Sequence[str], epoch: int | None, *, flush: bool) -> None:
        db.execute("BEGIN" if flush else "BEGIN; SET LOCAL synchronous_commit TO OFF")
        kinds = set(names)
        if kinds & _PEOPLE:
            db.execute("SELECT pg_advisory_xact_lock(?)", (CHAIN,))
        if kinds & _UNFENCED:  # the tables may be a newer program's meanwhile
            version_of(db, self.where)
        if kinds & _DECIDE:  # no worker writes between the look at what is asked and the answer to it
            db.execute("SELECT epoch FROM workers ORDER BY epoch FOR UPDATE")
        if epoch is not None:
            alive = db.execute("SELECT 1 FROM workers WHERE epoch = ? FOR KEY SHARE", (epoch,)).fetchone()
            if alive is None:
                raise leases.taken_over(self.where)
        if kinds & _TOLD:
            db.execute("NOTIFY somagent")

    def again(self, error: Exception) -> bool:
        return isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)

    def snapshot(self, db: Connection) -> None:
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def version(self, db: Connection) -> int:
        if db.heard < 0:
            db.execute("LISTEN somagent")
        db.heard += 1 if db.heard < 0 else sum(1 for _ in db.raw.notifies(timeout=0))
        return db.heard

    def lease(self, length_s: float, *, serves: bool, alone: bool = False) -> Worker:
        self._length_s = length_s
        return Worker(self, length_s, serves=serves, alone=alone)

    def check_free(self, db: Connection, *, serves: bool) -> None:
        pid = None if serves else self.server(db)
        if pid is not None:
            raise DataDirectoryHeld(f"process {pid} works on what is submitted to {self.where}; it goes on with runs")

    def claim(self, db: Connection, runs: Sequence[str], epoch: int, limit: int) -> Mapping[str, datetime | None]:
        db.execute(
            _removed(
                "WHERE epoch IN "
                "(SELECT epoch FROM workers WHERE epoch NOT IN (SELECT epoch FROM alive) FOR UPDATE SKIP LOCKED)"
            )
        )
        found = db.execute(
            "SELECT id, epoch FROM runs WHERE id = ANY(?) AND ended_at IS NULL "
            "AND (epoch IN (0, ?) OR epoch NOT IN (SELECT epoch FROM alive)) "
            "ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED",
            (list(runs), epoch, limit),
        ).fetchall()
        # Locked, they are as they are now; the look at the workers above may be older than somebody's claim.
        at_work = {one for (one,) in db.execute("SELECT epoch FROM workers").fetchall()}
        free = {run_id: held_by for run_id, held_by in found if held_by == epoch or held_by not in at_work}
        silences = self._silences(db) if set(free.values()) - {0, epoch} else {}
        db.execute("UPDATE runs SET epoch = ? WHERE id = ANY(?)", (epoch, list(free)))
        now = self.machine.wall()
        return {run_id: now - silences[held_by] if held_by in silences else None for run_id, held_by in free.items()}

    def _silences(self, db: Connection) -> Mapping[int, timedelta]:
        """For how long workers that are gone have given no sign, as long as runs of theirs wait to be gone on with."""
        db.execute(
            "DELETE FROM gone WHERE NOT EXISTS "
            "(SELECT 1 FROM runs WHERE runs.ended_at IS NULL AND runs.epoch = gone.epoch)"
        )
        return dict(db.execute("SELECT epoch, clock_timestamp() - signed FROM gone").fetchall())

    def holders(self, db: Connection) -> Mapping[int, int]:
        return dict(db.execute("SELECT epoch, pid FROM alive").fetchall())

    def server(self, db: Connection) -> int | None:
        query = "SELECT pid FROM alive WHERE serves ORDER BY epoch LIMIT 1"
        found = db.execute(query).fetchone()
        return None if found is None else int(found[0])

    def problems(self, db: Connection) -> Sequence[str]:
        """What cannot be read, table by table; the database checks the sums of the pages that it reads."""
        found = []
        for (table,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall():
            try:
                db.execute(f"SELECT count(*) FROM (SELECT t::text FROM {table} AS t) AS whole").fetchone()  # noqa: S608 - a name of ours
            except psycopg.DatabaseError as error:
                found.append(" ".join(str(error).split()))
        return found

    def size(self, db: Connection) -> int:
        query = "SELECT sum(pg_total_relation_size(quote_ident(tablename)::regclass)) FROM pg_tables "
        return int(db.execute(query + "WHERE schemaname = current_schema()").fetchone()[0])

    def shrink(self, db: Connection) -> None:
        """The database does that by itself."""

    def translated(self, error: Exception) -> EngineError:
        said = "; ".join(filter(None, map(str.strip, str(error).splitlines())))
        if isinstance(error, psycopg.errors.DiskFull):
            return StorageFull(f"cannot write to {self.where}: {said}")
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return StoreUnreachable(f"{self.where} is locked: another process has been writing for {_PATIENCE_S} s")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return StoreUnreachable(f"cannot reach {self.where}: {said}")
        return EngineError(f"{self.where} refuses: {said}")

    def _connected(self, kind: Callable[..., Connection], *more: Any) -> Connection:
        try:
            return kind(self.url, *more)
        except psycopg.Error as error:
            raise self.translated(error) from error


def _held(where: str, pid: int, host: str, alone: bool) -> DataDirectoryHeld:  # noqa: FBT001 - a row
    who = f"process {pid}" + ("" if host == socket.gethostname() else f" on {host}")
    if alone:
        return DataDirectoryHeld(f"{who} removes old runs from {where}; it goes on when that is done")
    return DataDirectoryHeld(f"{who} works on runs in {where}; stop it first")


def _removed(which: str) -> str:
    """Removes workers, and keeps when they gave their last sign."""
    removed = f"DELETE FROM workers {which} RETURNING epoch, signed"  # noqa: S608 - a clause of ours
    return f"WITH removed AS ({removed}) INSERT INTO gone SELECT epoch, signed FROM removed"  # noqa: S608


class _Reader(Connection):
    """Kept for the next one who reads, when it is not needed any more."""

    def __init__(self, url: str, store: PostgresStore) -> None:
        super().__init__(url)
        self._store = store

    def close(self) -> None:
        fit = self.heard < 0 and not self.raw.closed and not self.raw.info.transaction_status
        if not (fit and self._store.keeps(self)):
            self.raw.close()


class Worker:
    """A row among the workers; a lease as others have it (`store.Lease`)."""

    worked_until: datetime | None = None  # each run is claimed by itself, with the last sign of who worked on it

    def __init__(self, store: PostgresStore, length_s: float, *, serves: bool, alone: bool) -> None:
        self._store, self._length_s, self._serves, self._alone = store, length_s, serves, alone
        self._epoch = 0
        self._lost, self._released = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._session: Connection | None = None

    def take(self, db: Connection) -> int:
        (epoch,) = db.execute("UPDATE lease SET epoch = epoch + 1 RETURNING epoch").fetchone()  # one after the other
        query = "SELECT pid, host, alone FROM alive WHERE alone OR ? ORDER BY epoch LIMIT 1"
        held = db.execute(query, (self._alone,)).fetchone()
        if held is not None:
            raise _held(self._store.where, *held)
        if self._alone:  # whoever was stopped for too long must not go on beside this one
            db.execute(_removed(""))
        self._session = self._locked(int(epoch))
        insert = (
            "INSERT INTO workers VALUES "
            "(?, ?, ?, ?, clock_timestamp() + make_interval(secs => ?), ?, clock_timestamp())"
        )
        db.execute(insert, (epoch, os.getpid(), socket.gethostname(), self._serves, self._length_s, self._alone))
        self._epoch = int(epoch)
        return self._epoch

    def keep(self, lost: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=self._beat, args=(lost,), name="somagent-lease", daemon=True)
        self._thread.start()

    def begin_work(self) -> None:
        """Its row says so already."""

    def is_lost(self) -> bool:
        return self._lost.is_set()

    def release(self) -> None:
        self._released.set()
        if self._thread is not None:
            self._thread.join()
        else:
            self._leave()

    def _beat(self, lost: Callable[[], object]) -> None:
        update = (
            "UPDATE workers SET expires = clock_timestamp() + make_interval(secs => ?), signed = clock_timestamp() "
            "WHERE epoch = ?"
        )
        while not self._released.wait(self._length_s / 4):
            try:
                self._session = self._session or self._locked(self._epoch)
                if not self._session.execute(update, (self._length_s, self._epoch)).rowcount:
                    self._lost.set()
                    lost()
                    break
            except psycopg.Error:  # tried again with the next sign; the writer says what is the matter
                self._session = None
        self._leave()

    def _locked(self, epoch: int) -> Connection:
        """A session that has the lock; the one before may have it for a moment longer."""
        session = Connection(self._store.url)
        session.execute("SELECT pg_advisory_lock(hashtext(current_schema()), ?::int)", (epoch,))
        return session

    def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error):
                session.execute("DELETE FROM workers WHERE epoch = ?", (self._epoch,))
                session.execute("NOTIFY somagent")
            session.close()
