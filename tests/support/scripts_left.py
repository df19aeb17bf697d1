"""Scripts of steps that outlive the process that ran them: in sessions of their own, nobody else ends them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_PATIENCE_S = 10.0


def end_scripts(folder: Path) -> list[int]:
    """Kills the scripts whose data directory is the folder or below it, as the engine knows them; gives their pids.

    They are gone when this returns: a signal is delivered in its own time.
    """
    mark = b"SOMAGENT_OUTPUT=" + os.fsencode(folder) + b"/"
    left = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _has(path, mark)]
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + _PATIENCE_S
    while any(_has(Path("/proc", str(pid)), mark) for pid in left) and time.monotonic() < end:
        time.sleep(0.01)
    return left


def _has(process: Path, mark: bytes) -> bool:
    with suppress(OSError):  # it has gone meanwhile, or is another user's
        return any(entry.startswith(mark) for entry in (process / "environ").read_bytes().split(b"\0"))
    return False
