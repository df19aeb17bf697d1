"""A run that another process works on, followed: the journal tells the same events as that process tells its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from somagent.operators.runner.records import Phase, StepKey
from somagent.workflows.engines import events
from somagent.workflows.engines.local import reading
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.local.tail import Tail
from somagent.workflows.engines.parked import news
from somagent.workflows.engines.protocol import Event, LogChunk

_LOOK_S = 0.15
_STANDING_BY_S = 10.0  # another process that serves has taken over by then, or was started anew


@dataclass(slots=True)
class _Seen:
    """What has been told of one run."""

    last: int = 0  # number of the attempt that began last
    open: set[int] = field(default_factory=set)
    results: set[tuple[str, int]] = field(default_factory=set)
    fan_outs: set[str] = field(default_factory=set)
    decisions: int = 0


Told = dict[str, _Seen]
"""What has been told, by run."""


class Following:
    """Events of a run, and of those inside it, from where `view` has it until it ends or only waits for people.

    With `told`, everything that is not in there, from the beginning of the run on. `pause` is awaited between looks.

    Iteration also ends when nobody works here any more. `phase` is the one of the run at the end of it, else None.
    """

    def __init__(
        self,
        rows: Rows,
        run_id: str,
        now: Callable[[], datetime],
        told: Told | None = None,
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._rows, self._run, self._now = rows, run_id, now
        self._seen: Told = told if told is not None else {}
        self._pause = pause or partial(asyncio.sleep, _LOOK_S)
        self.phase: Phase | None = None
        with rows.snapshot():
            self.view = reading.view_now(rows, run_id)
            if told is None:
                list(self._news())
        self._tail = Tail(rows, run_id)

    def written(self) -> Iterator[LogChunk]:
        """What the attempts wrote since this was last asked, from the beginning of the run."""
        return self._tail.more()

    async def __aiter__(self) -> AsyncIterator[Event]:
        version, serving, alone_since = 0, self._rows.server() is not None, None
        while True:
            if version != (version := self._rows.version()) or not self.phase:
                with self._rows.snapshot():
                    told = _in_order(list(self._news()))
                    self.phase = self._end()
                for event in told:
                    yield event
            if self.phase is not None:
                return
            if self._is_anybody_there():
                serving, alone_since = self._rows.server() is not None, None
            else:
                now = asyncio.get_running_loop().time()
                alone_since = alone_since or now
                if not serving or now - alone_since > _STANDING_BY_S:
                    return
            await self._pause()

    def _is_anybody_there(self) -> bool:
        holders = self._rows.holders()
        if not self._rows.store.shared:
            return bool(holders)
        return self._rows.server() is not None or self._rows.run(self._run).epoch in holders

    def _end(self) -> Phase | None:
        """The phase of the run when its onlookers are told no more: who works here has nothing left to do for it."""
        row = self._rows.run(self._run)
        over = row.ended_at is not None or (
            row.phase == "Waiting"
            and not reading.is_to_stop(self._rows, self._run)
            and not news(self._rows, self._run, self._now()).ready
        )
        return row.phase if over else None

    def _news(self) -> Iterator[Event]:
        for run in (self._run, *self._rows.inside(self._run)):
            seen = self._seen.setdefault(run, _Seen())
            yield from self._opened(run, seen)
            yield from self._attempts(run, seen)
            for step, item in self._rows.phases(run):
                result = None if (step, item) in seen.results else self._rows.result(StepKey(run, step, item))
                if result is not None:
                    seen.results.add((step, item))
                    yield events.recorded(result, result.attempts)
            decisions = self._rows.decisions(run)
            yield from (events.decided(run, one) for one in decisions[seen.decisions :])
            seen.decisions = len(decisions)

    def _opened(self, run: str, seen: _Seen) -> Iterator[Event]:
        for step, items in self._rows.fan_outs(run).items():
            if step not in seen.fan_outs:
                seen.fan_outs.add(step)
                # When it was opened is not written down; it was before anything of it.
                yield events.opened(run, step, items, self._rows.run(run).run.created_at)

    def _attempts(self, run: str, seen: _Seen) -> Iterator[Event]:
        for seq, attempt in self._rows.attempts_since(run, seen.last, seen.open):
            if seq not in seen.open:
                yield events.begun(attempt)
            if attempt.ended_at is None:
                seen.open.add(seq)
            else:
                seen.open.discard(seq)
                if attempt.waiting is not None or attempt.retry_at is not None:
                    yield events.left(attempt)
            seen.last = max(seen.last, seq)


def _in_order(told: list[Event]) -> list[Event]:
    """By time. A step may begin in the moment of the result that lets it begin: that result is told first."""
    begun = {(event.key, event.at) for event in told if event.kind == "attempt"}
    return sorted(told, key=lambda event: (event.at, event.kind != "result" or (event.key, event.at) in begun))


@contextmanager
def following(
    place: Path | Store,
    run_id: str,
    now: Callable[[], datetime],
    *,
    told: Told | None = None,
    pause: Callable[[], Awaitable[object]] | None = None,
) -> Iterator[Following]:
    """The run, from now on or from what was told on; raises `UnknownRun`."""
    with reading.opened(place) as rows:
        yield Following(rows, run_id, now, told, pause)
