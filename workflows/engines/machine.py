"""What an engine takes of the machine beside its event loop: time that nobody sets, a pause, a second thread.

It is handed to a store, so that a simulation can be the machine, in which nothing happens that was not drawn.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from somagent.workflows.engines.clock import utc_now

Call = Callable[[], object]
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS: its monotonic clock counts sleep as well


class Executor(Protocol):
    """Does what it is given one after another, beside the event loop."""

    def submit(self, work: Call, /) -> None:
        """Has it done; it raises nothing."""
        ...

    def shutdown(self) -> None:
        """Waits until all of it is done."""
        ...


class Machine:
    """The machine that this process runs on."""

    def now(self) -> float:
        """Seconds by the clock that nobody sets and that goes on while the machine sleeps."""
        return time.clock_gettime(_BOOT)

    def wall(self) -> datetime:
        """The wall clock, in UTC."""
        return utc_now()

    def pause(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)

    def executor(self, name: str) -> Executor:
        """A new executor."""
        return DaemonThread(name)

    def every(self, seconds: float, name: str, sign: Callable[[], bool]) -> Call:
        """Calls `sign` again and again, as long as it says True, also while the event loop is kept busy.

        Call what it returns to end that.
        """
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(seconds) and sign():
                pass

        thread = threading.Thread(target=beat, name=name, daemon=True)
        thread.start()

        def end() -> None:
            ended.set()
            thread.join()

        return end


class DaemonThread:
    """An `Executor`; a process that is told twice to stop does stop, whatever this is at."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Call, /) -> None:
        self._queue.put(work)

    def shutdown(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while work := self._queue.get():
            work()


THIS_MACHINE = Machine()
