"""A thread never outlives the step that it works for, and what it raises is heard by the step or by nobody."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from somagent.operators.runner.threads import in_thread


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
