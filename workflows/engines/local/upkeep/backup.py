"""A data directory a second time, while runs are at work: as it was at one moment, and whole."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from somagent.operators.runner.folders import NO_ROOM, PARTIAL, remove_tree, sync
from somagent.operators.runner.objects import ContentError, ObjectStore
from somagent.workflows.engines.local.faults import damaged
from somagent.workflows.engines.local.schema import FILE_NAME
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.local.upkeep.references import referenced
from somagent.workflows.engines.protocol import EngineError, StorageFull, StorageRefused, UnknownRun
from somagent.workflows.identity import FOLDER as IDENTITY
from somagent.workflows.limits import FILE as LIMITS

DUMP_NAME = "database.dump"
_BESIDE = ("logs", "reports", IDENTITY, LIMITS)  # the rows and the content: what runs left, and what people set
_MAKE_ROOM = "make room, or name a folder on another disk"


class BackedUp(NamedTuple):
    """What is in the backup."""

    runs: int
    files: int
    size: int  # bytes


def back_up(place: Path | Store, target: Path) -> BackedUp:
    """Copies the directory to a new one, which appears under its name when all of it is on the disk.

    The rows come first, from one moment; content never changes, and what the rows name was there before them. Each
    piece of content is held against its digest on the way, and a journal that is damaged is not copied. Rows in a
    database are written to a file for `pg_restore`. Raises `EngineError`, and leaves nothing behind then.
    """
    store = store_at(place)
    if target.exists():
        raise EngineError(f"{target} is there already; a backup is made into a new folder")
    if target.resolve().is_relative_to(store.directory.resolve()):
        raise EngineError(f"{target} is inside the data directory, which it would be lost with; name a folder outside")
    if not store.exists():
        raise UnknownRun(f"there are no runs in {store.where}")
    part = target.with_name(f"{target.name}.part-{os.urandom(4).hex()}")
    try:
        with _copying(store.directory, target):
            part.mkdir(parents=True)
            copied = _copy(store, part, target)
            _make_durable(part)
            part.rename(target)
            sync(target.parent)
    except BaseException:
        with suppress(OSError):  # what went wrong first is told
            remove_tree(part)
        raise
    return copied


def _copy(store: Store, part: Path, target: Path) -> BackedUp:
    directory = store.directory
    with closing(store.reader()) as db:
        runs, needed = _dumped(store, db, part) if store.shared else _journal(store, db, part, target)
    contents = ObjectStore(directory / "contents")
    files = size = 0
    for digest in sorted(needed):
        path = contents.path(digest)
        if path.exists():  # other digests are of plans and rules
            copy = ObjectStore(part / "contents").path(digest)
            with _copying(path, target):
                copy.parent.mkdir(parents=True, exist_ok=True)
                try:
                    contents.write_file(digest, copy, 0o444)
                except ContentError as error:
                    raise EngineError(f"{error}; `somagent doctor` shows which runs it belongs to") from error
                files, size = files + 1, size + copy.stat().st_size
    for name in _BESIDE:
        if (directory / name).exists():
            _copy_beside(directory / name, part / name, target)
    (part / ".gitignore").write_text("*\n")
    return BackedUp(runs, files, size)


def _copy_beside(source: Path, copy: Path, target: Path) -> None:
    """Copies a file, or a folder with what is in it, but for what is gone when its turn comes, or is half-written."""
    if source.suffix == PARTIAL:
        return
    try:
        with _copying(source, target):
            if source.is_dir():
                copy.mkdir()
                for one in sorted(source.iterdir()):
                    _copy_beside(one, copy / one.name, target)
            else:
                shutil.copyfile(source, copy)
            shutil.copystat(source, copy)
    except StorageRefused as refused:
        if not isinstance(refused.__cause__, FileNotFoundError):
            raise
        remove_tree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)


@contextmanager
def _copying(source: Path, target: Path) -> Iterator[None]:
    """Says of an error of the file system what could not be copied where, and the way out."""
    try:
        yield
    except OSError as error:
        said = f"cannot copy {source} to {target}: {(error.strerror or str(error)).lower()}"
        if error.errno in NO_ROOM:
            way_out = "one of their disks fails" if error.errno == errno.EIO else _MAKE_ROOM
            raise StorageFull(f"{said}; {way_out}") from error
        if error.filename is not None and Path(error.filename).is_relative_to(source):
            raise StorageRefused(f"{said}; check the permissions of {error.filename}") from error
        raise EngineError(f"{said}; name a folder that can be made and be written to") from None


def _journal(store: Store, db: Any, part: Path, target: Path) -> tuple[int, set[str]]:
    """The rows in a journal of their own, and what they name, of the same moment."""
    path = store.directory / FILE_NAME
    try:
        store.snapshot(db)
        if problems := store.problems(db):
            raise damaged(path, problems[0])
        found = _named(db, store.directory)
    except sqlite3.Error as error:
        raise store.translated(error) from error
    try:
        with closing(sqlite3.connect(part / FILE_NAME)) as copy:
            db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be carried anywhere
    except sqlite3.Error as error:  # all of the other one was read
        raise StorageFull(f"cannot copy {path} to {target}: {error}; {_MAKE_ROOM}") from error
    return found


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
    for path in (*folder.rglob("*"), folder):
        sync(path)
