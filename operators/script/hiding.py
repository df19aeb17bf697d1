"""Takes this process's own environment out of the sight of the scripts that it starts.

Linux shows in `/proc/PID/environ` the block of memory in which a process was handed its environment, to everybody with
the same account. A script knows the pid of its parent, so what stands there would be one `cat` away from its log.
"""

from __future__ import annotations

import os
from functools import cache

_MARKS = (
    b"SOMAGENT_IDEMPOTENCY_KEY=",
    b"SOMAGENT_OUTPUT=",
)  # by these a run that a script started is found again, see `processes`
_PR_SET_DUMPABLE = 4  # prctl(2)
_BLOCK = slice(47, 49)  # env_start and env_end among the fields after the name, see proc_pid_stat(5)


@cache
def hide_environment() -> bool:
    """Once in a process: wipes that block, and closes the process's memory to all but root; False when it cannot.

    `os.environ`, C's `getenv` and what children inherit stay as they are. The process leaves no core dumps any more,
    and only root can attach a debugger to it.
    """
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - on the way of every run
            start, end = map(int, file.read().rpartition(b") ")[2].split()[_BLOCK])
        _wipe(start, end - start)
    except (OSError, ValueError):  # no /proc, or one that does not say where the block is
        return False
    import ctypes  # noqa: PLC0415 - 2 ms, and only where scripts run

    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def _wipe(start: int, size: int) -> None:
    for name, value in os.environb.items():
        os.putenv(name, value)  # C's own table points into the block until a variable is set anew
    with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
        memory.seek(start)
        kept = [entry + b"\0" for entry in memory.read(size).split(b"\0") if entry.startswith(_MARKS)]
        memory.seek(start)
        memory.write(b"".join(kept).ljust(size, b"\0")[:size])
