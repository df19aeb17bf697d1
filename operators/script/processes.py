"""Everything a script has started ends with it: found by group, session, parentage and environment, then killed.

A script may ignore TERM, put children into sessions of their own, and orphan them. All of them still carry
SOMAGENT_IDEMPOTENCY_KEY and SOMAGENT_OUTPUT in the environment they were started with, which Linux shows in `/proc`.
Only a process that was started without these, in a session of its own, and whose parent has ended, is not found. Where
there is no `/proc`, the process group is all that is ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GRACE_S = 2.0  # between TERM and KILL
_LOOK_S = 0.01
_LOOKS = 8  # on a machine where processes are born all the time
_PATIENCE_S = 5.0  # for a killed process to be gone
_LONG_S = 20.0  # pids of a step that ran longer may have wrapped around


class _Process(NamedTuple):
    pid: int
    parent: int
    group: int
    session: int


class Family:
    """The processes of a step's attempts, or of the one that `leader` (a process id, and its group's) runs.

    Members are marked with the step's `key`, and with a place below `workspace`, since another data directory on this
    machine may have a run of the same name. With the folder of an attempt for a workspace, members are of that attempt:
    who was stopped for too long ends its own, and not the one of whoever goes on with the run. Without a key, they are
    of all steps at work there.
    """

    def __init__(self, leader: int | None, key: str | None, workspace: Path) -> None:
        self._leader = leader
        self._mark = b"" if key is None else b"SOMAGENT_IDEMPOTENCY_KEY=" + key.encode()
        self._place = b"SOMAGENT_OUTPUT=" + os.fsencode(workspace) + b"/"
        self._started = time.monotonic()

    def alive(self) -> list[int]:
        """Pids of the members that are neither gone nor zombies; never this process.

        A parent may end and its child be born between the two looks at `/proc`, the list of processes and each of
        them; so nobody is there only when no process was born while looking.
        """
        for _ in range(_LOOKS):
            born = _last_pid()
            found = self._look_around()
            if found or born == _last_pid():
                break
        return found

    def near(self) -> list[int]:
        """The members that are told by parentage, group and session: one quick look, for a family with a leader."""
        return self._look_around(marks=False)

    def _look_around(self, *, marks: bool = True) -> list[int]:
        try:
            names = os.listdir("/proc")  # noqa: PTH208 - hundreds of names
        except FileNotFoundError:
            return self._group_alive()
        pids = [int(name) for name in names if name.isdigit()]
        processes = {process.pid: process for process in map(_look, self._candidates(pids)) if process is not None}
        members = {pid for pid, process in processes.items() if self._belongs(process, marks=marks)}
        grown = True
        while grown:
            children = {pid for pid, process in processes.items() if process.parent in members} - members
            members |= children
            grown = bool(children)
        members.discard(os.getpid())
        return sorted(members)

    async def end(self, *, at_once: bool = False) -> bool:
        """TERM, two seconds' grace (none with `at_once`), KILL, until nobody is left. True when somebody was there.

        When this is cancelled, the rest is killed at once.
        """
        alive = self.alive()
        if not alive:
            return False
        try:
            if at_once or not await self._leave(alive):
                patience = time.monotonic() + _PATIENCE_S
                while (alive := self.alive()) and time.monotonic() < patience:
                    self._signal(alive, signal.SIGKILL)
                    await asyncio.sleep(_LOOK_S)
        except asyncio.CancelledError:
            self.kill()
            raise
        return True

    def kill(self) -> None:
        """KILL until nobody is left, without waiting for anything else."""
        patience = time.monotonic() + _PATIENCE_S
        while (alive := self.alive()) and time.monotonic() < patience:
            self._signal(alive, signal.SIGKILL)
            time.sleep(_LOOK_S)

    async def _leave(self, alive: list[int]) -> bool:
        """Asks each member once, also those that are born meanwhile; False when the grace is over."""
        asked: set[int] = set()
        patience = time.monotonic() + GRACE_S
        while alive:
            if time.monotonic() >= patience:
                return False
            new = set(alive) - asked
            if new:
                self._signal(new, signal.SIGTERM)
                self._signal(new, signal.SIGCONT)  # who is stopped never sees TERM
                asked |= new
            await asyncio.sleep(_LOOK_S)
            alive = self.alive()
        return True

    def _signal(self, pids: Iterable[int], number: signal.Signals) -> None:
        if self._leader is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, number)
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _candidates(self, pids: list[int]) -> list[int]:
        # Pids rise: what the leader started has a higher one, until they wrap around.
        leader = self._leader
        if leader is None or time.monotonic() - self._started > _LONG_S:
            return pids
        last = _last_pid()
        if last is None:
            return pids
        if last >= leader:
            return [pid for pid in pids if leader <= pid <= last]
        return [pid for pid in pids if pid >= leader or pid <= last]

    def _belongs(self, process: _Process, *, marks: bool) -> bool:
        if self._leader is not None and self._leader in (process.pid, process.group, process.session):
            return True
        if not marks:
            return False
        try:
            with open(f"/proc/{process.pid}/environ", "rb") as file:  # noqa: PTH123 - hundreds of them
                entries = file.read().split(b"\0")
        except OSError:
            return False  # gone meanwhile, or another user's
        is_of_step = not self._mark or self._mark in entries
        return is_of_step and any(entry.startswith(self._place) for entry in entries)

    def _group_alive(self) -> list[int]:
        if self._leader is None:
            return []
        try:
            os.killpg(self._leader, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [self._leader]


def _look(pid: int) -> _Process | None:
    """A process that is not a zombie; see proc_pid_stat(5) for the fields."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            state, parent, group, session, *_ = file.read().rpartition(b") ")[2].split(b" ", 4)
    except OSError:
        return None
    return None if state in {b"Z", b"X"} else _Process(pid, int(parent), int(group), int(session))


def _last_pid() -> int | None:
    """The pid given out last, see proc_loadavg(5); None where it cannot be known."""
    try:
        with open("/proc/loadavg", "rb") as file:  # noqa: PTH123
            return int(file.read().rpartition(b" ")[2])
    except OSError:
        return None
