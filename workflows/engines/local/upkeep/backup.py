"""A data directory a second time, while runs are at work: as it was at one moment, and whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.objects import ContentError, ObjectStore
from somagent.workflows.engines.local.schema import FILE_NAME
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.local.upkeep.references import referenced
from somagent.workflows.engines.protocol import EngineError, UnknownRun

DUMP_NAME = "database.dump"


class BackedUp(NamedTuple):
    """What is in the backup."""

    runs: int
    files: int
    size: int  # bytes


def back_up(place: Path | Store, target: Path) -> BackedUp:
    """Copies the directory to a new one, which appears under its name when all of it is on the disk.

    The rows come first, from one moment; content never changes, and what the rows name was there before them. Each
    piece of content is held against its digest on the way. Rows in a database are written to a file for `pg_restore`.
    Raises `EngineError`.
    """
    store = store_at(place)
    if target.exists():
        raise EngineError(f"{target} is there already; a backup is made into a new folder")
    if target.resolve().is_relative_to(store.directory.resolve()):
        raise EngineError(f"{target} is inside the data directory, which it would be lost with; name a folder outside")
    if not store.exists():
        raise UnknownRun(f"there are no runs in {store.where}")
    part = target.with_name(f"{target.name}.part-{os.urandom(4).hex()}")
    part.mkdir(parents=True)
    try:
        copied = _copy(store, part)
        _make_durable(part)
        part.rename(target)
        _sync(target.parent)
    except BaseException:
        remove_tree(part)
        raise
    return copied


def _copy(store: Store, part: Path) -> BackedUp:
    directory = store.directory
    with closing(store.reader()) as db:
        runs, needed = _dumped(store, db, part) if store.shared else _journal(db, directory, part)
    contents = ObjectStore(directory / "contents")
    files = size = 0
    for digest in sorted(needed):
        path = contents.path(digest)
        if path.exists():  # other digests are of plans and rules
            target = ObjectStore(part / "contents").path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                contents.write_file(digest, target, 0o444)
            except ContentError as error:
                raise EngineError(f"{error}; `somagent doctor` shows which runs it belongs to") from error
            files, size = files + 1, size + target.stat().st_size
    for name in ("logs", "reports", "identity"):
        if (directory / name).exists():
            shutil.copytree(directory / name, part / name)
    (part / ".gitignore").write_text("*\n")
    return BackedUp(runs, files, size)


def _journal(source: Any, directory: Path, part: Path) -> tuple[int, set[str]]:
    with closing(sqlite3.connect(part / FILE_NAME)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be carried anywhere
        return _named(copy, directory)


def _dumped(store: Store, db: Db, part: Path) -> tuple[int, set[str]]:
    """The rows as `pg_dump` writes them, and what they name, of the same moment."""
    from somagent.workflows.engines.local.postgres_dump import dump  # noqa: PLC0415  an extra

    try:
        store.snapshot(db)
        dump(db, store, part / DUMP_NAME)
        return _named(db, store.directory)
    except store.errors as error:
        raise store.translated(error) from error
    finally:
        with suppress(*store.errors):
            db.execute("ROLLBACK")


def _named(db: Db, directory: Path) -> tuple[int, set[str]]:
    """How many runs there are, and what they stand on."""
    (runs,) = db.execute("SELECT count(*) FROM runs WHERE id NOT IN (SELECT run FROM children)").fetchone()
    return runs, referenced(db, directory / "contents")


def _make_durable(folder: Path) -> None:
    for path in _everything(folder):
        _sync(path)


def _everything(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*")
    yield folder


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
