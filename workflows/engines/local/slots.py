"""How many attempts are at work at once, over all runs of an engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Slots:
    """A number of places; runs get them in turn."""

    def __init__(self, places: int) -> None:
        self.free = places
        self.runs: deque[Callable[[], None]] = deque()  # each starts what it can while there are places

    def share(self) -> None:
        """Lets every run start what it can, beginning with another one each time."""
        self.runs.rotate(-1)
        for fill in tuple(self.runs):
            fill()
