"""The real command as a process that may be killed: forked from this one, which saves the start of Python."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from judge import Process

AFRESH = 0.02  # of them are started as users do
_LONGEST_S = 30.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Started(NamedTuple):
    """A command at work."""

    pid: int
    command: tuple[str, ...]
    at: float
    out: Path
    err: Path


class Ended(NamedTuple):
    """A command that has ended, by itself or not."""

    process: Process
    out: str


class Commands:
    """Runs the real command in a folder and remembers how each ended."""

    def __init__(self, folder: Path, draw: random.Random, beside: Path | None = None) -> None:
        """What they print is kept in `beside`."""
        self.folder, self.draw, self._beside = folder, draw, beside or folder
        self.ended: list[Process] = []
        self._started = 0

    def __call__(self, *command: str, kill_after_s: float | None = None) -> Ended:
        return self.wait(self.start(*command, afresh=self.draw.random() < AFRESH), kill_after_s)

    def start(self, *command: str, afresh: bool = False, first: Callable[[], None] = lambda: None) -> Started:
        """Forks it, and calls `first` in its process; its output goes into files of its own."""
        self._started += 1
        out, err = (self._beside / f"{name}.{self._started}" for name in ("out", "err"))
        files = [os.open(os.devnull, os.O_RDONLY), *(os.open(path, os.O_WRONLY | os.O_CREAT) for path in (out, err))]
        at = time.time()
        # The campaign is told to stop by a signal; in the middle of a fork its exception would go to hooks of Python's.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        child = os.fork()
        if child:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _die_with_parent()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            output = [] if command[0] == "serve" else ["--output", "json"]
            _become(self.folder, [*command, *output], files, first, afresh=afresh)
        for file in files:
            os.close(file)
        return Started(child, command, at, out, err)

    def wait(self, started: Started, kill_after_s: float | None = None, kill_when_told: str = "") -> Ended:
        """Waits for it, or kills it: after that time, or when it has said that."""
        ended_by_itself = False
        try:
            if kill_when_told:
                kill_after_s = _wait_until_told(started, kill_when_told)
            ended_by_itself = wait_for(started.pid, _LONGEST_S if kill_after_s is None else kill_after_s)
        finally:  # the campaign may be told to stop meanwhile
            if not ended_by_itself:
                os.kill(started.pid, signal.SIGKILL)
            _, status = os.waitpid(started.pid, 0)
        told = started.err.read_text(encoding="utf-8", errors="replace")
        code = os.waitstatus_to_exitcode(status)
        process = Process(started.pid, list(started.command), started.at, time.time(), code, told)
        self.ended.append(process)
        if kill_after_s is None and not ended_by_itself:
            raise Stuck(f"`{' '.join(started.command)}` was still at work after {_LONGEST_S:.0f} s")
        if "Traceback" in told or "fault of SomaGent" in told:
            raise Stuck(f"`{' '.join(started.command)}`: {told[-2000:]}")
        return Ended(process, started.out.read_text(encoding="utf-8"))


class Stuck(Exception):
    """A run does not end; the message says where."""


def _become(folder: Path, command: list[str], files: list[int], first: Callable[[], None], *, afresh: bool) -> NoReturn:
    code = 70
    try:
        os.chdir(folder)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        first()
        if afresh:
            program = "from somagent.cli.main import main; main()"
            os.execve(sys.executable, [sys.executable, "-c", program, *command], dict(os.environ))
        sys.argv = ["somagent", *command]
        from somagent.cli.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def _die_with_parent() -> None:
    """A worker would stay for ever when the campaign is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(child: int, seconds: float) -> bool:
    """Whether it ended by itself in that time."""
    end = time.monotonic() + seconds
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(0.002, left))
    return True


def _wait_until_told(started: Started, words: str) -> float | None:
    """0 when it said so; None when it ended, or was silent for too long, which is for others to find."""
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and not wait_for(started.pid, 0.02):
        if words in started.err.read_text(encoding="utf-8", errors="replace"):
            return 0.0
    return None
