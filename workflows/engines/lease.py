"""One process works in a data directory; everybody may read it, decide, cancel and submit.

A lease ends in two ways. Its holder dies: then the kernel frees the lock (`flock`) on its file at once, and no guess is
needed about whether a process id still means the same process. Or its holder gives no sign for as long as a lease
lasts, because somebody stopped it: then who wants the lease puts a file of its own in the place of that file. The sign
is a time in the file, by the clock of the machine that nobody sets and that goes on while the machine sleeps.

A line below it says until when somebody was at work, by the wall clock, so that it is known after the machine was
started anew, too: what a dead holder had at work did not go on after its last sign. Who takes the lease leaves that
line as it is until it has written down what became of that work.

What makes an old holder harmless is the epoch, which counts the leases: it is raised in the very transaction of the
journal in which a lease is taken, so takers come one after another, and every transaction of a holder checks that the
epoch is still its own (see `local.writer`).
"""

from __future__ import annotations

import fcntl
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from somagent.workflows.engines.machine import THIS_MACHINE, Call, Machine
from somagent.workflows.engines.protocol import DataDirectoryHeld

FILE_NAME = "lease"
LENGTH_S = 10.0  # long enough for a holder on a busy machine to give a sign in time
_LINE = 64  # bytes
_TRIES, _PAUSE_S = 5, 0.02  # somebody who only asks who holds the lease has it locked for some microseconds


class _Sign(NamedTuple):
    """What a holder writes into its file again and again."""

    pid: int
    serves: bool = False  # works on all runs, those of others as well
    length_s: float = 0.0
    until: float | None = None  # None: written by a SomaGent whose leases did not end while their holders lived

    def is_live(self, now: float) -> bool:
        # A time further ahead than a lease lasts is of before the machine was started anew.
        return self.until is None or 0 < self.until - now <= self.length_s + 0.01  # it is rounded


class Lease:
    """The lease of a data directory, held from `take` until `release`, unless it is taken by somebody else."""

    def __init__(
        self, directory: Path, length_s: float = LENGTH_S, *, serves: bool = False, machine: Machine = THIS_MACHINE
    ) -> None:
        self._path, self._length_s, self._serves = directory / FILE_NAME, length_s, serves
        self._machine = machine
        self._file = -1
        self._released, self._taking = threading.Event(), threading.Lock()
        self._end_signs: Call | None = None
        self._works = False
        self.worked_until: datetime | None = None  # the last sign that somebody was at work; None: it is not known

    def take(self) -> None:
        """Takes it, inside a transaction that writes to the journal; raises `DataDirectoryHeld`."""
        with self._taking:
            if not self._released.is_set():  # else who wanted it was told to stop meanwhile
                self._take()

    def keep(self, lost: Call) -> None:
        """Gives signs from now on, in a thread; calls `lost` there, once, when somebody else took the lease.

        A thread, so that an operator that keeps the event loop busy does not cost the lease.
        """
        self._end_signs = self._machine.every(self._length_s / 4, "somagent-lease", lambda: self._keeps(lost))

    def begin_work(self) -> None:
        """From now on signs say that somebody is at work; what holders before had at work is written down."""
        self._works = True
        self._give_sign()

    def is_lost(self) -> bool:
        """Whether another file is in the place of this one."""
        try:
            return self._path.stat().st_ino != os.fstat(self._file).st_ino
        except FileNotFoundError:
            return False  # whoever removed it has not taken it; the epoch will tell

    def release(self) -> None:
        """Lets go of it; the file stays, since removing it would let two processes lock two files."""
        self._released.set()
        if self._end_signs is not None:
            self._end_signs()
        with self._taking:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _take(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for _ in range(_TRIES):
            if _locks(file, fcntl.LOCK_EX):
                self._file = file
                self.worked_until = _worked_until(file)
                self._give_sign()
                return
            self._machine.pause(_PAUSE_S)
        sign, self.worked_until = _sign(file), _worked_until(file)
        os.close(file)
        if sign.is_live(self._machine.now()):
            raise _held(self._path.parent, sign.pid)
        aside = self._path.with_name(f"{FILE_NAME}.{os.getpid()}-{os.urandom(4).hex()}")
        self._file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._give_sign()
        aside.rename(self._path)

    def _keeps(self, lost: Call) -> bool:
        if self.is_lost():
            lost()
            return False
        self._give_sign()
        return True

    def _give_sign(self) -> None:
        kind = "serves" if self._serves else "runs"
        sign = f"{os.getpid()} {kind} {self._length_s:.3f} {self._machine.now() + self._length_s:.3f}"
        if self._works:
            self.worked_until = self._machine.wall()
        until = self.worked_until.isoformat() if self.worked_until is not None else ""
        os.pwrite(self._file, f"{sign:<{_LINE - 1}}\n{until:<{_LINE - 1}}\n".encode(), 0)


def check_free(directory: Path, machine: Machine = THIS_MACHINE) -> None:
    """Raises `DataDirectoryHeld` when somebody holds the lease; it changes nothing."""
    pid = holder(directory, machine)
    if pid is not None:
        raise _held(directory, pid)


def holder(directory: Path, machine: Machine = THIS_MACHINE) -> int | None:
    """Process id of the lease's holder, or None when nobody holds it."""
    sign = _holding(directory, machine)
    return None if sign is None else sign.pid


def server(directory: Path, machine: Machine = THIS_MACHINE) -> int | None:
    """Process id of the lease's holder when it works on whatever is submitted; None when nobody does."""
    sign = _holding(directory, machine)
    return sign.pid if sign is not None and sign.serves else None


def taken_over(where: Path | str) -> DataDirectoryHeld:
    """What a process that has lost the lease says."""
    return DataDirectoryHeld(f"another process took over {where}; this one writes nothing more")


def _held(directory: Path, pid: int) -> DataDirectoryHeld:
    if pid == os.getpid():
        return DataDirectoryHeld(f"this process (pid {pid}) works in {directory} already, through another engine")
    way_out = f"wait for it, stop it (kill -INT {pid}), or use another data directory"
    return DataDirectoryHeld(f"process {pid} runs capsules in {directory}; {way_out}")


def _holding(directory: Path, machine: Machine) -> _Sign | None:
    for _ in range(_TRIES):
        sign = _look(directory, machine.now())
        if sign is None or _lives(sign.pid):
            break
        machine.pause(_PAUSE_S)  # it was killed while it started a program, which has the lock until it has begun
    return sign


def _look(directory: Path, now: float) -> _Sign | None:
    try:
        file = os.open(directory / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _locks(file, fcntl.LOCK_SH):
            return None
        sign = _sign(file)
        return sign if sign.is_live(now) else None
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


def _sign(file: int) -> _Sign:
    match os.pread(file, _LINE, 0).decode(errors="replace").split():
        case [pid, ("serves" | "runs") as kind, length, until] if pid.isdigit():
            return _Sign(int(pid), kind == "serves", float(length), float(until))
        case [pid] if pid.isdigit():
            return _Sign(int(pid))
        case _:
            return _Sign(0)


def _worked_until(file: int) -> datetime | None:
    line = os.pread(file, _LINE, _LINE).decode(errors="replace").strip()
    try:
        found = datetime.fromisoformat(line)
    except ValueError:  # there is none: a SomaGent of before wrote it
        return None
    return found if found.tzinfo is not None else None
