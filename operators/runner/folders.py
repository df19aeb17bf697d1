"""Attempt folders are removed whatever a script did to them, and the disk is asked whether it takes more."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
PARTIAL = ".partial"  # ends the name of a file that is renamed when it is whole
_PROBE_BYTES = 65_536


def make_lasting(folder: Path) -> None:
    """Makes the folder and those above it that are missing, and waits until the disk has their names.

    What is synced inside a folder is lost all the same with the folder's own name, which is in the folder above.
    Raises `FileExistsError` when there is something else of that name.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # of a folder that may be written to and not be read
            sync(one.parent)


def sync(path: Path) -> None:
    """Waits until the disk has what was written to the file, or the names in the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_room(folder: Path) -> bool:
    """Whether the disk takes some more, tried by writing it."""
    probe = folder / f"room-{os.urandom(8).hex()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("xb", buffering=0) as file:
                written = file.write(bytes(_PROBE_BYTES))
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError:
        return False
    return written == _PROBE_BYTES


def remove_tree(path: Path) -> None:
    """Removes a folder and all in it, read-only folders too; links are never followed. Absent is fine."""
    try:
        path.rmdir()  # most attempts leave nothing
    except FileNotFoundError:
        return
    except OSError:
        if not path.exists():  # it failed before it was looked for
            return
    else:
        return
    import shutil  # noqa: PLC0415 - brings the compression modules along

    try:
        shutil.rmtree(path)
    except PermissionError:
        path.chmod(0o700)
        for folder, members, _ in os.walk(path):
            for member in members:
                inner = Path(folder, member)
                if not inner.is_symlink():
                    inner.chmod(0o700)
        shutil.rmtree(path)
