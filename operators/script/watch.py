"""Looks at what the processes of a script use together, and says when it is more than they may.

Memory is what the processes have of their own and share between them: pages that two of them share are counted once
(Pss in proc_pid_smaps(5)). That takes longer to tell than the size of each, so it is asked only when the sizes alone
are more than the limit.
"""

from __future__ import annotations

import asyncio
import os
import time

from somagent.operators.script.limits import Limits
from somagent.operators.script.processes import Family

_LOOK_S = 0.025
_SHARE = 20  # of the time between two looks, at most this part of it is spent on looking
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def beyond(limits: Limits, family: Family) -> str:
    """Returns when the processes use more than they may: what it was, as a sentence without its subject."""
    took = 0.0
    while True:
        await asyncio.sleep(max(_LOOK_S, took * _SHARE))
        begun = time.perf_counter()
        pids = family.near()
        if limits.processes is not None and sum(map(_threads, pids)) > limits.processes:
            return f"used more than {limits.said.processes} processes"
        if limits.memory is not None and sum(map(_resident, pids)) > limits.memory < sum(map(_own, pids)):
            return f"used more than {limits.said.memory} of memory"
        took = time.perf_counter() - begun


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except OSError:
        return 0


def _resident(pid: int) -> int:
    """Bytes in memory; what is shared with others is counted whole."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _own(pid: int) -> int:
    """Bytes in memory that are not a file's, with its share of what several processes have."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")))
