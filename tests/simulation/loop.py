"""The event loop of one simulated process: its time is the world's, and which callback runs next is the world's choice.

Nothing in it waits, and it has no selector and no thread; work for an executor is done by a callback of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from typing import Any, Protocol

_SECOND = 1_000_000  # time is counted in microseconds, so that it is exact


class Time(Protocol):
    """Where time comes from."""

    now_us: int

    def executor_us(self) -> int:
        """How long the next piece of work beside the loop takes."""
        ...


class Handle:
    """A callback that is to run, at once or at a time; what asyncio expects of one."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "when_us")

    def __init__(self, callback: Callable[..., Any], args: Any, context: Any, when_us: int) -> None:
        self._callback, self._args, self._context, self.when_us = callback, args, context, when_us
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self.when_us / _SECOND

    def run(self) -> None:
        if not self._cancelled:
            self._context.run(self._callback, *self._args)


class Loop(asyncio.AbstractEventLoop):
    """Only what asyncio's tasks, futures, timeouts and locks ask of a loop."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.ready: list[Handle] = []
        self._timers: list[tuple[int, int, Handle]] = []
        self._numbers = 0
        self.tasks: list[asyncio.Task[Any]] = []  # all of them: whose process dies must not be closed by the collector
        self.errors: list[str] = []

    def time(self) -> float:
        return self._time.now_us / _SECOND

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args, context or contextvars.copy_context(), 0)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self._call_at_us(self._time.now_us + round(delay * _SECOND), callback, args, context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self._call_at_us(round(when * _SECOND), callback, args, context)

    def _call_at_us(self, when_us: int, callback: Any, args: Any, context: Any) -> Handle:
        handle = Handle(callback, args, context or contextvars.copy_context(), when_us)
        self._numbers += 1
        heapq.heappush(self._timers, (when_us, self._numbers, handle))
        return handle

    def next_us(self) -> int | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def wake(self) -> None:
        """Makes the timers ready whose time has come."""
        while self._timers and self._timers[0][0] <= self._time.now_us:
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self.ready.append(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, work: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:  # type: ignore[override]
        task: asyncio.Task[Any] = asyncio.Task(work, loop=self, name=name)
        self.tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, work: Any, *args: Any) -> Any:  # type: ignore[override]
        """A thread that others do not wait for: it is through after a while, in no order with others."""
        future = self.create_future()

        def do() -> None:
            try:
                result = work(*args)
            except Exception as error:
                outcome = (future.set_exception, error)
            else:
                outcome = (future.set_result, result)
            if not future.done():
                outcome[0](outcome[1])

        self._call_at_us(self._time.now_us + self._time.executor_us(), do, (), None)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")
