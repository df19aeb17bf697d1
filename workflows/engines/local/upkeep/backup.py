"""A data directory a second time, while runs are at work: as it was at one moment, and whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.objects import ContentError, ObjectStore
from somagent.workflows.engines.local.schema import FILE_NAME, open_reader
from somagent.workflows.engines.local.upkeep.references import referenced
from somagent.workflows.engines.protocol import EngineError


class BackedUp(NamedTuple):
    """What is in the backup."""

    runs: int
    files: int
    size: int  # bytes


def back_up(directory: Path, target: Path) -> BackedUp:
    """Copies the directory to a new one, which appears under its name when all of it is on the disk.

    The journal comes first, from one moment; content never changes, and what the journal names was there before it.
    Each piece of content is held against its digest on the way. Raises `EngineError`.
    """
    if target.exists():
        raise EngineError(f"{target} is there already; a backup is made into a new folder")
    part = target.with_name(f"{target.name}.part-{os.urandom(4).hex()}")
    part.mkdir(parents=True)
    try:
        copied = _copy(directory, part)
        _make_durable(part)
        part.rename(target)
        _sync(target.parent)
    except BaseException:
        remove_tree(part)
        raise
    return copied


def _copy(directory: Path, part: Path) -> BackedUp:
    with (
        closing(open_reader(directory / FILE_NAME)) as source,
        closing(sqlite3.connect(part / FILE_NAME)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, which can be carried anywhere
        (runs,) = copy.execute("SELECT count(*) FROM runs WHERE id NOT IN (SELECT run FROM children)").fetchone()
        needed = referenced(copy, directory / "contents")
    store = ObjectStore(directory / "contents")
    files = size = 0
    for digest in sorted(needed):
        path = store.path(digest)
        if path.exists():  # other digests are of plans and rules
            target = ObjectStore(part / "contents").path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                store.write_file(digest, target, 0o444)
            except ContentError as error:
                raise EngineError(f"{error}; `somagent doctor` shows which runs it belongs to") from error
            files, size = files + 1, size + target.stat().st_size
    for name in ("logs", "reports", "identity"):
        if (directory / name).exists():
            shutil.copytree(directory / name, part / name)
    (part / ".gitignore").write_text("*\n")
    return BackedUp(runs, files, size)


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
