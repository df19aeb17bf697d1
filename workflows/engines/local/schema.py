"""The journal's file: what is in it, and how it is opened so that a commit means "on the disk"."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from somagent.workflows.engines.local.faults import damaged, translated
from somagent.workflows.engines.protocol import EngineError, JournalDamaged, UnknownRun

FILE_NAME = "journal.sqlite3"
VERSION = 3
_APPLICATION_ID = 0x536F6D61  # "Soma": tells `file` and us whose SQLite file this is
_NO_FILES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_BUSY_S = 10.0  # other processes write one row at a time; longer means that one of them is stuck

# runs.epoch: the lease under which a process is at work on it; attempts.seq: order of the starts, whatever clocks say.
_TABLES = """
CREATE TABLE lease (epoch INTEGER NOT NULL);
INSERT INTO lease VALUES (0);
CREATE TABLE plans (digest TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, record BLOB NOT NULL,
    phase TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0, started_at TEXT, ended_at TEXT, outcome BLOB);
CREATE TABLE attempts (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
    number INTEGER NOT NULL, open INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (run, step, item, number));
CREATE TABLE results (run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL, phase TEXT NOT NULL,
    record BLOB NOT NULL, PRIMARY KEY (run, step, item)) WITHOUT ROWID;
CREATE TABLE fan_outs (run TEXT NOT NULL, step TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (run, step))
    WITHOUT ROWID;
CREATE TABLE decisions (seq INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
    question TEXT NOT NULL, person TEXT NOT NULL, record BLOB NOT NULL, UNIQUE (run, step, item, question, person));
CREATE TABLE cancels (run TEXT PRIMARY KEY, person TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
"""

# New in version 2. accounts: what is set aside and spent under a budget of the run `owner`, all together;
# reservations: what a key has open there; spends: what a run had spent when it was first asked for the step.
_TABLES_2 = """
CREATE TABLE accounts (owner TEXT NOT NULL, budget TEXT NOT NULL, reserved_tokens INTEGER NOT NULL DEFAULT 0,
    reserved_cost INTEGER NOT NULL DEFAULT 0, spent_tokens INTEGER NOT NULL DEFAULT 0,
    spent_cost INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (owner, budget)) WITHOUT ROWID;
CREATE TABLE reservations (run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL, owner TEXT NOT NULL,
    budget TEXT NOT NULL, tokens INTEGER NOT NULL, cost INTEGER NOT NULL,
    PRIMARY KEY (run, step, item, owner, budget)) WITHOUT ROWID;
CREATE TABLE spends (run TEXT NOT NULL, step TEXT NOT NULL, tokens INTEGER NOT NULL, cost INTEGER NOT NULL,
    PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE children (seq INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, parent TEXT NOT NULL, step TEXT NOT NULL,
    item INTEGER NOT NULL);
CREATE INDEX children_of ON children (parent, step, item);
"""
# New in version 3. audit: who started, decided and cancelled, as a hash chain (`audit.py`); it outlives its runs.
# runs_left: what a process that serves looks for whenever something was written.
_TABLES_3 = """
CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE INDEX runs_left ON runs (seq) WHERE ended_at IS NULL;
"""
_FROM_1 = """
INSERT INTO accounts SELECT run, budget, sum(reserved_tokens), sum(reserved_cost), sum(spent_tokens), sum(spent_cost)
    FROM budgets GROUP BY run, budget;
INSERT INTO reservations SELECT run, step, item, run, budget, reserved_tokens, reserved_cost FROM budgets WHERE open;
DROP TABLE budgets;
"""
TABLES = _TABLES + _TABLES_2 + _TABLES_3
_STEPS = {0: TABLES, 1: _TABLES_2 + _FROM_1 + _TABLES_3, 2: _TABLES_3}


def open_writer(path: Path) -> sqlite3.Connection:
    """The journal for writing, made when it is not there; used by one thread at a time."""

    def prepare(db: sqlite3.Connection) -> None:
        # WAL with FULL: a commit is one write and one fsync. See https://sqlite.org/pragma.html#pragma_synchronous
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA fullfsync = 1")  # on macOS fsync alone does not reach the disk
        db.execute("BEGIN IMMEDIATE")
        version = _version_of(db, path)
        if version < VERSION:
            for statement in _STEPS[version].split(";\n"):
                db.execute(statement)
            _carry_over(db)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")

    return _open(path, "mode=rwc", prepare)


def open_reader(path: Path) -> sqlite3.Connection:
    """The journal for reading; changes nothing and needs no lease. Raises `UnknownRun` when nothing is in it yet.

    One that an earlier version wrote is brought up to date first.
    """

    def check(db: sqlite3.Connection) -> None:
        version = _version_of(db, path)
        if not version:  # its maker is at it, or died
            raise UnknownRun(f"there are no runs in {path.parent}")
        if version < VERSION:
            open_writer(path).close()

    try:
        return _open(path, "mode=ro", check)
    except EngineError as error:
        # SQLite makes files beside a journal that it reads. Where none can be made and nobody writes, it needs none.
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in _NO_FILES or _has_wal(path):
            raise
        return _open(path, "mode=ro&immutable=1", check)


def _carry_over(db: sqlite3.Connection) -> None:
    from somagent.workflows.engines.local import audit  # noqa: PLC0415  it opens journals through this module

    audit.carry_over(db)


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _check_file(path: Path) -> None:
    """Raises when the file cannot be a journal, or is empty although runs left their traces beside it."""
    if path.is_dir():
        raise EngineError(f"{path} is a folder, not a journal; move it away or use another data directory")
    emptied = path.exists() and not path.stat().st_size and not _has_wal(path)
    if emptied and any((path.parent / trace).exists() for trace in ("logs", "contents", "reports")):
        raise damaged(path, "it is empty, although there were runs here")


def _open(path: Path, mode: str, prepare: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    _check_file(path)
    try:
        uri = f"{path.absolute().as_uri()}?{mode}"
        db = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            prepare(db)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except UnicodeDecodeError as error:  # SQLite says which table is damaged, by bytes that are no name any more
        raise damaged(path, "what it says of its tables is no text") from error
    return db


def _version_of(db: sqlite3.Connection, path: Path) -> int:
    """The journal's version, 0 for a new file; raises when it holds something else or is of a newer SomaGent."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == _APPLICATION_ID and version > VERSION:
        raise EngineError(
            f"{path} was written by a newer SomaGent (journal version {version}, this one knows {VERSION}); "
            "update SomaGent, or use another data directory"
        )
    if application != _APPLICATION_ID and tables:
        raise JournalDamaged(f"{path} is not a SomaGent journal; move it away or use another data directory")
    return int(version) if tables else 0
