"""What there is to do in a data directory, whoever asked for it: runs that are new or cut off, decisions, due dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from somagent.workflows.engines.local.reading import is_to_stop
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.parked import dues, news


class Inbox:
    """Which runs can be gone on with. A parked run costs nothing until somebody decides, or its date has passed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._decided, _ = rows.decided_since(0)
        self._due: dict[str, datetime] = {}
        self._others = self._at_work()
        self._look_at = set(rows.left(parked=True))  # parked runs that something may have happened to

    def ready(self, now: datetime) -> Iterator[str]:
        """The runs that something can be done for now, oldest first, also those named before and not `taken`."""
        self._decided, decided = self._rows.decided_since(self._decided)
        self._look_at |= {run.partition(".")[0] for run in decided}
        self._look_at |= {run for run, due in self._due.items() if due <= now}
        self._look_at = {run for run in self._look_at if self._can_go_on(run, now)}
        left = self._rows.left(parked=False)
        others = {*self._cancelled(), *self._look_at}.difference(left)
        yield from self._rows.oldest_first({*left, *others}) if others else left

    def _cancelled(self) -> Iterator[str]:
        """Runs that were asked to stop, and that have not done so as far as they can."""
        for run in self._rows.cancels_left():
            if self._rows.run(run).phase != "Waiting" or is_to_stop(self._rows, run):
                yield run

    def look_around(self) -> None:
        """Looks at all parked runs when another process came or went: it may have been told what nobody else knows.

        What others park while they stay is theirs: they know when its time is over.
        """
        if self._others != (others := self._at_work()):
            self._others = others
            self._look_at |= set(self._rows.left(parked=True))

    def _at_work(self) -> tuple[int, frozenset[int]]:
        return self._rows.leases(), frozenset(self._rows.holders())

    def next_due(self) -> datetime | None:
        """When a parked run is to be looked at although nobody wrote anything."""
        return min(self._due.values(), default=None)

    def taken(self, run_id: str) -> None:
        """The run is worked on from now on."""
        self._look_at.discard(run_id)

    def parked(self, run_id: str) -> None:
        """Has a run looked at again: people may have decided before it had parked."""
        self._look_at.add(run_id)

    def _can_go_on(self, run_id: str, now: datetime) -> bool:
        self._due.pop(run_id, None)
        row = self._rows.run(run_id)
        if row.ended_at is not None or row.phase != "Waiting":
            return False
        if news(self._rows, run_id, now).ready:
            return True
        due = min(dues(self._rows, run_id), default=None)
        if due is not None:
            self._due[run_id] = due
        return False
