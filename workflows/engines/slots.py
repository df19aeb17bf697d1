"""Room for attempts: an engine has only so much, and a run with much to do must not starve the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Slots:
    """How many attempts may be at work at once, over all runs of an engine; runs get them in turn."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.free = places
        self.runs: deque[Callable[[], None]] = deque()  # each starts what it can while there are places

    @property
    def at_work(self) -> int:
        """Attempts that have a place now."""
        return self.places - self.free

    def close(self) -> None:
        """Gives no places any more; those that are given stay until they are given back."""
        self.free -= self.places
        self.places = 0

    def share(self) -> None:
        """Lets every run start what it can, beginning with another one each time."""
        self.runs.rotate(-1)
        for fill in tuple(self.runs):
            fill()
