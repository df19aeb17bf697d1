"""SQLite's and the file system's errors, translated at one place into errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from somagent.operators.runner.folders import NO_ROOM
from somagent.workflows.engines.protocol import EngineError, JournalDamaged, StorageFull, StorageRefused

# Reads that end early or cannot be done are damage; other I/O errors are failed writes.
_DAMAGE = {sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_READ}


def translated(error: sqlite3.Error, path: Path) -> EngineError:
    """The engine's error for an error of SQLite on the journal at `path`."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    match code & 0xFF:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR if code not in _DAMAGE:
            return StorageFull(f"cannot write to {path}: the disk is full, or fails ({error})")
        case sqlite3.SQLITE_CANTOPEN if _permitted(path):  # it may be a file beside it that could not be made
            return StorageFull(f"cannot open {path}: the disk is full or fails, or too many files are open ({error})")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:  # the last: while it opens the WAL
            return EngineError(f"{path} is locked: another process has been writing to it for too long; try again")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return _refused(path, error)
        case _:
            return damaged(path, str(error))


def _refused(path: Path, error: sqlite3.Error) -> StorageRefused:
    with suppress(OSError):
        if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            return StorageRefused(f"cannot write to {path}: its file system is read-only; mount it for writing")
    return StorageRefused(f"cannot open {path}: {error}; check the permissions of the file and of its folder")


def _permitted(path: Path) -> bool:
    readable = not path.exists() or os.access(path, os.R_OK | os.W_OK)
    return readable and os.access(path.parent, os.R_OK | os.W_OK | os.X_OK)


def damaged(path: Path, why: str) -> JournalDamaged:
    """Says that the journal cannot be read, and the way out."""
    to = path.parent / "damaged"
    return JournalDamaged(
        f"the journal {path} is damaged ({why}). To start afresh, move it away, with what belongs to it: "
        f"mkdir {to} && mv {path}* {to}/. Reports, logs and artifacts are files of their own and stay; "
        f"what can be read of the journal is shown by: sqlite3 {to}/{path.name} .dump"
    )


def unreadable(where: str, run_id: str, why: str) -> JournalDamaged:
    """Says which run has a record that cannot be read; the others are as they were."""
    return JournalDamaged(
        f"the journal of {where} holds a record of run {run_id} that this SomaGent cannot read ({why}). Other runs are "
        "not touched by it, so keep the journal, and run the capsule anew"
    )


@contextmanager
def storing(where: Path) -> Iterator[None]:
    """Says it when the file system takes no more, or does not let us in; `where` when it does not say itself."""
    try:
        yield
    except OSError as error:
        message = f"cannot write {error.filename or where}: {error.strerror}"
        if error.errno in NO_ROOM:
            raise StorageFull(message) from error
        if isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
            raise EngineError(message) from error
        raise
