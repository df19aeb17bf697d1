"""One process runs capsules in a data directory; everybody may read it, decide, cancel and submit.

The lock is `flock` on a file: the kernel frees it when its holder dies, so a stale lease needs no guess about whether
a process id still means the same process. The id in the file is only there to be shown. The epoch, which counts the
leases, is in the journal (see `local.writer`).
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from somagent.workflows.engines.protocol import DataDirectoryHeld

FILE_NAME = "lease"
_TRIES, _PAUSE_S = 5, 0.02  # somebody who only asks who holds the lease has it locked for some microseconds


class Lease:
    """The lease of a data directory, held from the making of this object until `release`."""

    def __init__(self, directory: Path) -> None:
        """Raises `DataDirectoryHeld` when another holder has it."""
        self._file = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for _ in range(_TRIES):
            if _locks(self._file, fcntl.LOCK_EX):
                os.pwrite(self._file, f"{os.getpid():<20}\n".encode(), 0)
                return
            time.sleep(_PAUSE_S)
        pid = _pid(self._file)
        os.close(self._file)
        if pid == os.getpid():
            raise DataDirectoryHeld(f"this process (pid {pid}) works in {directory} already, through another engine")
        way_out = f"wait for it, stop it (kill -INT {pid}), or use another data directory"
        raise DataDirectoryHeld(f"process {pid} runs capsules in {directory}; {way_out}")

    def release(self) -> None:
        """Lets go of it; the file stays, since removing it would let two processes lock two files."""
        os.close(self._file)


def holder(directory: Path) -> int | None:
    """Process id of the lease's holder, or None when nobody holds it."""
    for _ in range(_TRIES):
        pid = _holder(directory)
        if pid is None or _lives(pid):
            break
        time.sleep(_PAUSE_S)  # it was killed while it started a program, which has the lock until it has begun
    return pid


def _holder(directory: Path) -> int | None:
    try:
        file = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locks(file, fcntl.LOCK_SH) else _pid(file)
    finally:
        os.close(file)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _locks(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: int) -> int:
    content = os.pread(file, 20, 0).strip()
    return int(content) if content.isdigit() else 0
