"""Runs that ended long ago go, with their logs and reports, and all content that no other run stands on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from somagent.operators.runner.folders import remove_tree
from somagent.workflows.engines.local.faults import translated
from somagent.workflows.engines.local.schema import FILE_NAME, open_writer
from somagent.workflows.engines.local.sqlite import FileLease
from somagent.workflows.engines.local.upkeep.references import referenced
from somagent.workflows.engines.protocol import UnknownRun

_SETTLED_S = 3600.0  # content that is younger may be on its way into a run that is being submitted at this moment
# Everything that belongs to a run, and the column that says to which one.
TABLES_OF_RUNS = {
    "runs": "id",
    "attempts": "run",
    "results": "run",
    "fan_outs": "run",
    "decisions": "run",
    "cancels": "run",
    "accounts": "owner",
    "reservations": "run",
    "spends": "run",
    "children": "run",
}


class Pruned(NamedTuple):
    """What went, or would go."""

    runs: list[str]
    files: int
    size: int  # bytes


def prune(directory: Path, before: datetime, keep: int = 0, *, dry_run: bool = False) -> Pruned:
    """Removes the runs that ended before that time, but for the newest `keep` ones; those inside go with their wholes.

    Takes the lease, so that nobody is at work meanwhile: raises `DataDirectoryHeld`. The rows go in one transaction,
    before any file: cut off between, it leaves files that the next one removes, and never a run without its files.
    """
    if not (directory / FILE_NAME).exists():
        raise UnknownRun(f"there are no runs in {directory}")
    lease = FileLease(directory)
    try:
        with closing(open_writer(directory / FILE_NAME)) as db:
            if not dry_run:
                db.execute("BEGIN IMMEDIATE")
                lease.take(db)
                db.execute("COMMIT")
                lease.keep(lambda: None)
            return _prune(db, directory, before, keep, dry_run=dry_run, may_remove=lambda: not lease.is_lost())
    except sqlite3.Error as error:
        raise translated(error, directory / FILE_NAME) from error
    finally:
        lease.release()


def _prune(
    db: sqlite3.Connection,
    directory: Path,
    before: datetime,
    keep: int,
    *,
    dry_run: bool,
    may_remove: Callable[[], bool],
) -> Pruned:
    db.execute("BEGIN IMMEDIATE")
    try:
        doomed = list(_ended(db, before, keep))
        every = [run for top in doomed for run in (top, *_inside(db, top))]
        for table, column in TABLES_OF_RUNS.items():
            db.executemany(f"DELETE FROM {table} WHERE {column} = ?", ((run,) for run in every))  # noqa: S608
        db.execute("DELETE FROM plans WHERE digest NOT IN (SELECT plan FROM runs)")
        known = {run for (run,) in db.execute("SELECT id FROM runs")}
        files = [*_of_others(directory, known), *_unneeded(directory, referenced(db, directory / "contents"))]
        size = sum(_size(path) for path in files)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("ROLLBACK" if dry_run else "COMMIT")
    if not dry_run:
        for path in files:
            if may_remove():  # who took over may have stored something again that was not needed
                _remove(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM")
    return Pruned(doomed, len(files), size)


def _ended(db: sqlite3.Connection, before: datetime, keep: int) -> Iterator[str]:
    query = (
        "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? AND id NOT IN (SELECT run FROM children) "
        "AND id NOT IN (SELECT id FROM runs WHERE id NOT IN (SELECT run FROM children) ORDER BY seq DESC LIMIT ?) "
        "ORDER BY seq"
    )
    yield from (run for (run,) in db.execute(query, (before.isoformat(), keep)).fetchall())


def _inside(db: sqlite3.Connection, run: str) -> Iterator[str]:
    for (child,) in db.execute("SELECT run FROM children WHERE parent = ?", (run,)).fetchall():
        yield child
        yield from _inside(db, child)


def _of_others(directory: Path, known: set[str]) -> Iterator[Path]:
    """Logs and reports of runs that are not in the journal, or not any more."""
    yield from (path for path in sorted((directory / "logs").glob("*")) if path.name not in known)
    yield from (path for path in sorted((directory / "reports").glob("r-*.html")) if path.stem not in known)


def _unneeded(directory: Path, needed: set[str]) -> Iterator[Path]:
    settled = time.time() - _SETTLED_S
    for path in sorted((directory / "contents" / "objects").glob("*/*")):
        if f"sha256:{path.parent.name}{path.name}" not in needed and path.stat().st_mtime < settled:
            yield path


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in (path.rglob("*") if path.is_dir() else (path,)) if one.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
        return
    with suppress(FileNotFoundError):
        path.unlink()
