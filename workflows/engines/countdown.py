"""A run's budget of wall clock time is used up only while an attempt of the run is at work.

What is left is worked out from the records when an execution begins, and kept here from then on: to read them again
whenever an attempt begins would take the longer, the longer a run is. One timer sleeps and then looks whether there was
work all the time, so attempts that follow each other need none of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from somagent.workflows.engines.clock import Clock

_SHORTEST_S = 0.001  # budgets are whole milliseconds


class Countdown:
    """Calls `used_up` when attempts have been at work for so long; however many at once, their time counts once."""

    def __init__(self, left: timedelta, clock: Clock, used_up: Callable[[], object]) -> None:
        self._left_s = left.total_seconds()  # when the first attempt at work began
        self._monotonic, self._sleep, self._used_up = clock.monotonic, clock.sleep, used_up
        self._at_work, self._since = 0, 0.0
        self._timer: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """An attempt begins."""
        if not self._at_work:
            self._since = self._monotonic()
        self._at_work += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().create_task(self._run())

    def end(self) -> None:
        """An attempt has ended."""
        self._at_work -= 1
        if not self._at_work:
            self._left_s -= self._monotonic() - self._since

    def close(self) -> None:
        """Ends the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def _run(self) -> None:
        while self._at_work and (left_s := self._left_s - (self._monotonic() - self._since)) >= _SHORTEST_S:
            await self._sleep(left_s)
        self._timer = None  # when nothing is at work, the next attempt starts another one
        if self._at_work:
            self._used_up()
