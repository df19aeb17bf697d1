"""Blocking work beside the event loop that never outlives the step it belongs to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_unwanted: ContextVar[threading.Event | None] = ContextVar("unwanted", default=None)


class Unwanted(BaseException):
    """Nobody waits any more for what a thread does."""


def stop_if_unwanted() -> None:
    """Raises `Unwanted` in a thread whose caller was cancelled; what may take long asks now and then."""
    event = _unwanted.get()
    if event is not None and event.is_set():
        raise Unwanted


def pause(seconds: float) -> None:
    """Sleeps; raises `Unwanted` as soon as the caller of this thread is cancelled."""
    event = _unwanted.get()
    if event is None:
        time.sleep(seconds)
    elif event.wait(seconds):
        raise Unwanted


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls the function in a thread. When cancelled, the cancellation waits until the thread is through, or stops.

    Otherwise an attempt's folder could be removed while a thread still reads it. Where there is no event loop that
    somebody else's work could wait for, it is called at once.
    """
    import asyncio  # noqa: PLC0415 - operators are loaded to check a capsule, where nothing runs

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*args, **kwargs)
    unwanted = threading.Event()

    def called() -> R:
        _unwanted.set(unwanted)  # in this thread's copy of the context
        return function(*args, **kwargs)

    work = asyncio.ensure_future(asyncio.to_thread(called))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        unwanted.set()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # the cancellation is what its caller hears of
        raise
