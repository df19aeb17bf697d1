"""A thread never outlives the step that it works for, and what it raises is heard by the step or by nobody."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from somagent.operators.runner.threads import in_thread, pause


def test_what_a_thread_raises_when_its_step_was_cancelled_is_said_to_nobody():
    said: list[dict[str, Any]] = []
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait()
        raise OSError("no space left")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(what))
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()

    asyncio.run(main())
    assert said == []


def test_a_thread_that_only_waits_ends_as_soon_as_its_step_is_cancelled():
    async def main() -> None:
        async with asyncio.timeout(0.1):
            await in_thread(pause, 60)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert time.monotonic() - began < 10
