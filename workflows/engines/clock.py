"""Time as the engine sees it: it never runs backwards, and a wait is measured by the clock that nobody sets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any


def utc_now() -> datetime:
    """The system's wall clock, in UTC."""
    return datetime.now(UTC)


class Clock:
    """`now` is wall clock time (UTC), `monotonic` seconds from any start, `sleep` waits for so many seconds.

    Tests pass three of their own, and then "this retry waited 10 s" takes no time.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._wall = now
        self._last = datetime.min.replace(tzinfo=UTC)
        self._behind = timedelta()  # how far the wall clock has been set back since this process saw it first
        self.monotonic = monotonic
        self.sleep = sleep

    def now(self) -> datetime:
        """Wall clock time; after the clock is set back it goes on from where it was."""
        at = self._wall() + self._behind
        if at < self._last:
            self._behind += self._last - at
            at = self._last
        self._last = at
        return at

    def after(self, *times: datetime | None) -> Clock:
        """A clock that goes on from the latest of these times, should the wall clock have been set back since."""
        clock = Clock(self.now, self.monotonic, self.sleep)
        clock._last = max((at for at in times if at is not None), default=clock._last)
        return clock
