"""A question in the terminal that does not hold up the loop: Ctrl-C and news from elsewhere end it at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

_LOOK_S = 0.3  # how often is looked whether the question has become idle


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


async def read_line() -> str | None:
    """The next line that is typed, without its end; None at the end of input (Ctrl-D)."""
    loop = asyncio.get_running_loop()
    file = sys.stdin.fileno()
    typed: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not typed.done():
            try:
                typed.set_result(os.read(file, 65536))  # a terminal gives a line at a time
            except OSError:  # it is gone
                typed.set_result(b"")

    loop.add_reader(file, read)
    try:
        line = await typed
    except asyncio.CancelledError:
        sys.stderr.write("\n")
        raise
    finally:
        loop.remove_reader(file)
    return line.decode(errors="replace").strip() if line else None


async def read_line_unless(idle: Callable[[], bool]) -> str | None:
    """As `read_line`; raises `Idle` as soon as the question has become idle, which is looked at some times a second."""
    line = asyncio.ensure_future(read_line())
    try:
        while True:
            done, _ = await asyncio.wait([line], timeout=_LOOK_S)
            if done:
                return line.result()
            if idle():
                raise Idle
    finally:
        line.cancel()
        await asyncio.wait([line])


class Idle(Exception):
    """The question needs no answer any more."""
