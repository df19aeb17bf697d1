"""One script as one process: started in its own session, watched, drained into the log, and ended with its family.

`subprocess` with the event loop's readers instead of `asyncio.subprocess`, because there the end of a process is only
noticed when every pipe is closed, and a child left in the background keeps them open.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from somagent.operators.runner.log import StepLog
from somagent.operators.runner.masking import Mask
from somagent.operators.script.limits import Limits, ended_for_memory, first_to_go
from somagent.operators.script.processes import Family
from somagent.operators.script.watch import beyond

_READ_BYTES = 65_536  # what a pipe holds on Linux
_TAIL_BYTES = 4_096
_POLL_S = 0.02
_HELD = ("/bin/sh", "-c", 'read -r _ && exec "$@" < /dev/null', "sh")  # begins when it is told to
_SETTLED_S = 0.05  # by then the program's first children are there
_COLOUR = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")  # control sequences of terminals, ECMA-48 section 5.4


_NONE = Limits()


class Ended(Struct, frozen=True):
    """How a process ended: an exit code, or the negative number of a signal; and what it complained about last."""

    code: int
    last_complaint: str
    left_behind: bool  # it left children in the background, which were ended
    beyond: str = ""  # what it used more of than it may, for which it was ended
    memory_ran_out: bool = False  # while it ran, the kernel ended processes for want of memory


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    family: Callable[[int], Family],
    log: StepLog,
    secrets: Sequence[str] = (),
    limits: Limits = _NONE,
    stdin: int = subprocess.DEVNULL,
    stop: Callable[[], Awaitable[None]] | None = None,
) -> Ended:
    """Runs the program until it ends; raises `OSError` when it cannot be started or its log not be written.

    Neither the log nor what it complained about has the values of `secrets`. `family` tells its processes by its pid.

    When this is cancelled, the program and all that it started are ended before the cancellation goes on; `stop` is
    called first, for what is not among its processes.
    """
    victims = ended_for_memory()
    with subprocess.Popen(  # noqa: ASYNC220 - returns when the program is loaded, a few milliseconds
        [*_HELD, *argv] if limits.hold else argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if limits.hold else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stderr is not None  # noqa: S101
        first_to_go(process.pid)
        if process.stdin is not None:
            with process.stdin as told:
                limits.put_on(process.pid)
                told.write(b"\n")
        members = family(process.pid)
        late = asyncio.get_running_loop().call_later(_SETTLED_S, _first_to_go, members)
        complaints = _Tail()
        output = _Drain(process.stdout, Mask(secrets), log.write)
        errors = _Drain(process.stderr, Mask(secrets), log.write, complaints.add)
        try:
            try:
                used = await _exited_within(limits, process, members)
            except asyncio.CancelledError:
                await _end(members, stop)
                raise
            left_behind = await members.end()
        finally:
            late.cancel()
            output.finish()
            errors.finish()
        if fault := output.fault or errors.fault:
            raise fault
        code = process.wait()
        return Ended(code, complaints.last_line(), left_behind, used, code != 0 and ended_for_memory() != victims)


async def _end(family: Family, stop: Callable[[], Awaitable[None]] | None) -> None:
    try:
        if stop is not None:
            await stop()
    finally:
        await family.end()


async def _exited_within(limits: Limits, process: subprocess.Popen[bytes], family: Family) -> str:
    """Waits for the end; what was used too much of ends the whole family at once, and is returned."""
    if not limits.watched:
        await exited(process)
        return ""
    watch = asyncio.ensure_future(beyond(limits, family))
    end = asyncio.ensure_future(exited(process))
    try:
        await asyncio.wait((watch, end), return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            await family.end(at_once=True)
            await end
            return watch.result()
        return ""
    finally:
        for one in (watch, end):
            one.cancel()
        await asyncio.gather(watch, end, return_exceptions=True)


def _first_to_go(family: Family) -> None:
    """Once more, for children that were born before their parent had it; later ones have it from their parent."""
    for pid in family.near():
        first_to_go(pid)


class _Drain:
    """Empties a pipe whenever there is something in it, a pipe's content at a time."""

    def __init__(self, pipe: IO[bytes], mask: Mask, *takers: Callable[[bytes], None]) -> None:
        self._pipe = pipe
        self._mask = mask
        self._takers = takers
        self.fault: OSError | None = None  # the log cannot be written; the pipe is emptied all the same
        self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    def finish(self) -> None:
        """Takes what is left in the pipe and closes it."""
        while self._read():
            pass
        if not self._pipe.closed:
            self._close()
        self._hand_on(self._mask.end())

    def _read(self) -> bool:
        if self._pipe.closed:
            return False
        try:
            chunk = os.read(self._pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._close()
            return False
        self._hand_on(self._mask.feed(chunk))
        return True

    def _hand_on(self, content: bytes) -> None:
        if self.fault is None and content:
            try:
                for take in self._takers:
                    take(content)
            except OSError as fault:
                self.fault = fault

    def _close(self) -> None:
        self._loop.remove_reader(self._pipe.fileno())
        self._pipe.close()


class _Tail:
    """The last lines of a stream."""

    def __init__(self) -> None:
        self._kept = b""

    def add(self, chunk: bytes) -> None:
        self._kept = (self._kept + chunk)[-_TAIL_BYTES:]

    def last_line(self) -> str:
        """The last line with something in it, fit for a message."""
        for line in reversed(_COLOUR.sub("", self._kept.decode(errors="replace")).splitlines()):
            shown = "".join(character for character in line if character.isprintable()).strip()
            if shown:
                return shown[:300]
        return ""


async def exited(process: subprocess.Popen[bytes], *, notice: bool = hasattr(os, "pidfd_open")) -> None:
    """Waits for the end. With `notice` (Linux) the process is not reaped, so its pid still names its group only."""
    if not notice:
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(_POLL_S)
        return
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(process.pid)
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
