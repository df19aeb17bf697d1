"""Runs that ended long ago go, with their logs and reports, and all content that no other run stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from somagent.operators.runner.folders import remove_tree
from somagent.workflows.engines.lease import LENGTH_S
from somagent.workflows.engines.local.faults import storing
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.local.upkeep.references import referenced
from somagent.workflows.engines.protocol import EngineError, StorageFull, UnknownRun

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


def prune(place: Path | Store, before: datetime, keep: int = 0, *, dry_run: bool = False) -> Pruned:
    """Removes the runs that ended before that time, but for the newest `keep` ones; those inside go with their wholes.

    Takes the lease, so that nobody is at work meanwhile: raises `DataDirectoryHeld`. The rows go in one transaction,
    before any file: cut off between, it leaves files that the next one removes, and never a run without its files.
    """
    store = store_at(place)
    if not store.exists():
        raise UnknownRun(f"there are no runs in {store.where}")
    store.reader().close()
    lease, epoch = store.lease(LENGTH_S, serves=False, alone=True), None
    try:
        with closing(store.writer()) as db:
            if not dry_run:
                store.begin(db, ["lease"], None, flush=True)
                with storing(store.directory):
                    epoch = lease.take(db)
                db.execute("COMMIT")
                lease.keep(lambda: None)
            store.begin(db, ["prune"], epoch, flush=True)
            return _prune(db, store, before, keep, dry_run=dry_run, may_remove=lambda: not lease.is_lost())
    except store.errors as error:
        raise store.translated(error) from error
    finally:
        lease.release()
        store.close()


def _prune(
    db: Db, store: Store, before: datetime, keep: int, *, dry_run: bool, may_remove: Callable[[], bool]
) -> Pruned:
    directory = store.directory
    try:
        doomed = list(_ended(db, before, keep))
        every = [run for top in doomed for run in (top, *_inside(db, top))]
        for table, column in TABLES_OF_RUNS.items():
            for run in every:
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))  # noqa: S608
        db.execute("DELETE FROM plans WHERE digest NOT IN (SELECT plan FROM runs)")
        known = {run for (run,) in db.execute("SELECT id FROM runs")}
        needed = referenced(db, directory / "contents")
        unneeded = set(_unneeded(directory, needed))
        files = [*_of_others(directory, known), *sorted(unneeded)]
        size = sum(_size(path) for path in files)
    except BaseException:
        with suppress(*store.errors):
            db.execute("ROLLBACK")
        raise
    db.execute("ROLLBACK" if dry_run else "COMMIT")
    if not dry_run:
        for path in files:
            # Who took over may have stored something again that was not needed, and who submits is asked by nobody.
            if may_remove() and (path not in unneeded or _is_settled(path)):
                _remove(path)
        store.shrink(db)
    return Pruned(doomed, len(files), size)


def _ended(db: Db, before: datetime, keep: int) -> Iterator[str]:
    query = (
        "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? AND id NOT IN (SELECT run FROM children) "
        "AND id NOT IN (SELECT id FROM runs WHERE id NOT IN (SELECT run FROM children) ORDER BY seq DESC LIMIT ?) "
        "ORDER BY seq"
    )
    yield from (run for (run,) in db.execute(query, (before.isoformat(), keep)).fetchall())


def _inside(db: Db, run: str) -> Iterator[str]:
    for (child,) in db.execute("SELECT run FROM children WHERE parent = ?", (run,)).fetchall():
        yield child
        yield from _inside(db, child)


def _of_others(directory: Path, known: set[str]) -> Iterator[Path]:
    """Logs and reports of runs that are not in the journal, or not any more."""
    yield from (path for path in sorted((directory / "logs").glob("*")) if path.name not in known)
    yield from (path for path in sorted((directory / "reports").glob("r-*.html")) if path.stem not in known)


def _unneeded(directory: Path, needed: set[str]) -> Iterator[Path]:
    for path in sorted((directory / "contents" / "objects").glob("*/*")):
        if f"sha256:{path.parent.name}{path.name}" not in needed and _is_settled(path):
            yield path


def _is_settled(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - _SETTLED_S
    return False


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in (path.rglob("*") if path.is_dir() else (path,)) if one.is_file())


def _remove(path: Path) -> None:
    """Raises `StorageFull`, or `EngineError` when it is not permitted."""
    try:
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        kind = EngineError if isinstance(error, PermissionError) else StorageFull
        left = "the runs are gone from the journal, and the next `somagent prune` removes the files that are left"
        raise kind(f"cannot remove {path}: {error.strerror}; {left}") from error
