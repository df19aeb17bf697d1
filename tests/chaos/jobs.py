"""Several processes that each do a part of a campaign and say a line of JSON for every piece that is done."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

Say = Callable[[dict[str, Any]], None]


class Crashed(Exception):
    """A job failed in itself, which says nothing of what it tests; the message is its traceback."""


def told(jobs: int, work: Callable[[int, Say], None]) -> Iterator[dict[str, Any]]:
    """Forks so many processes that call `work` with their number, and passes on what they say.

    When the iterator is closed they are told to stop, and waited for. Raises `Crashed`.
    """
    readable, writable = os.pipe()
    children = [_forked(number, work, readable, writable) for number in range(jobs)]
    os.close(writable)
    try:
        with os.fdopen(readable) as lines:
            for line in map(json.loads, lines):
                if "crash" in line:
                    raise Crashed(line["crash"])
                yield line
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        for child in children:
            os.waitpid(child, 0)


def _forked(number: int, work: Callable[[int, Say], None], readable: int, writable: int) -> int:
    child = os.fork()
    if child:
        return child
    os.close(readable)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that its folder goes

    def say(line: dict[str, Any]) -> None:
        os.write(writable, (json.dumps(line) + "\n").encode())

    code = 1
    try:
        work(number, say)
        code = 0
    except (SystemExit, BrokenPipeError):
        code = 0
    except BaseException:
        with contextlib.suppress(BrokenPipeError):
            say({"crash": traceback.format_exc()})
    os._exit(code)
