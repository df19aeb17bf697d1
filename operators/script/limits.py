"""What a script may use at most is held on this machine: by the kernel where it can, else by looking.

The kernel limits each process: the size of a file that it writes (RLIMIT_FSIZE), the cores that it runs on, and, far
above what the step may have, its private memory (RLIMIT_DATA), so that nothing grows without bound between two looks.
What all processes of a step have together, memory and their number, is looked at 40 times a second (`watch`): there is
no rlimit for that (RLIMIT_NPROC counts all that the account runs, and root not at all; RLIMIT_AS counts what is
reserved and never used).
"""

from __future__ import annotations

import os
import resource
import zlib
from contextlib import suppress

from msgspec import UNSET, Struct

from somagent.capsule_compiler.model.quantities import millicores, size_bytes
from somagent.operators.script.args import Resources

_FIRST_TO_GO = b"1000"  # proc_pid_oom_score_adj(5): when the machine has no memory left, scripts end and not the engine
_SLACK_BYTES = 256 << 20


class Limits(Struct, frozen=True):
    """The limits of one attempt in plain numbers; None is no limit. `said` has them as they were written."""

    memory: int | None = None
    millicores: int | None = None
    file_size: int | None = None
    processes: int | None = None
    said: Resources = Resources()

    @classmethod
    def of(cls, said: Resources) -> Limits:
        """The limits that the capsule gives."""
        return cls(
            size_bytes(said.memory) if said.memory else None,
            millicores(said.cpu) if said.cpu else None,
            size_bytes(said.file_size) if said.file_size else None,
            None if said.processes is UNSET else said.processes,
            said,
        )

    @property
    def hold(self) -> bool:
        """Whether a process has to be held before its program begins."""
        return self.memory is not None or self.millicores is not None or self.file_size is not None

    @property
    def watched(self) -> bool:
        """Whether the processes have to be looked at while they run."""
        return self.memory is not None or self.processes is not None

    def put_on(self, pid: int) -> None:
        """Limits a process, and with it all that it will start; raises `OSError`."""
        if self.file_size is not None:
            _lower(pid, resource.RLIMIT_FSIZE, self.file_size)
        if self.memory is not None:
            _lower(pid, resource.RLIMIT_DATA, 2 * self.memory + _SLACK_BYTES)
        if self.millicores is not None:
            os.sched_setaffinity(pid, self._cores(pid))

    def _cores(self, pid: int) -> list[int]:
        """As many whole cores as the limit needs; other steps begin to count at other ones."""
        usable = sorted(os.sched_getaffinity(pid))
        wanted = min(-(-(self.millicores or 0) // 1000), len(usable))
        first = zlib.crc32(str(pid).encode()) % len(usable)
        return (usable + usable)[first : first + wanted]


def first_to_go(pid: int) -> None:
    """Has the kernel end this process, and what it will start, before the engine when memory runs out."""
    with suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "wb") as file:  # noqa: PTH123 - in the way of each step
        file.write(_FIRST_TO_GO)


def ended_for_memory() -> int | None:
    """How many processes this machine's kernel has ended for want of memory so far; None where it does not say."""
    try:
        with open("/proc/vmstat", "rb") as file:  # noqa: PTH123
            return int(file.read().partition(b"\noom_kill ")[2].partition(b"\n")[0])
    except (OSError, ValueError):
        return None


def _lower(pid: int, what: int, limit: int) -> None:
    _, hard = resource.prlimit(pid, what)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.prlimit(pid, what, (limit, limit))
