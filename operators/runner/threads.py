"""Blocking work beside the event loop that never outlives the step it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls the function in a thread. When cancelled, the cancellation waits until the thread is through.

    Otherwise an attempt's folder could be removed while a thread still reads it. Where there is no event loop that
    somebody else's work could wait for, it is called at once.
    """
    import asyncio  # noqa: PLC0415 - operators are loaded to check a capsule, where nothing runs

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*args, **kwargs)
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # the cancellation is what its caller hears of
        raise
