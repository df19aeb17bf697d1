"""The time axis of a run: true to scale where something ran, cut where nothing did for longer than all the work took.

A run that worked for three seconds and waited two days for a person would otherwise be two days of nothing. Each cut
is marked and says how long it really was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from somagent.workflows.report.timing import RunTimes

_CUT_SHARE = 0.13  # of the axis, for each cut
_MILLISECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_ROUND = (*(number / 1000 for number in _MILLISECONDS), *_SECONDS)


class Cut(NamedTuple):
    """A stretch in which nothing ran, drawn shorter than it was; `at` and `end` are per cent of the axis."""

    at: float
    end: float
    length: timedelta


class Axis(Struct, frozen=True):
    """Times to per cent of the width: piecewise linear between `times` (seconds from the start) and `places`."""

    start: datetime
    times: Sequence[float]
    places: Sequence[float]
    cuts: Sequence[Cut]

    def place(self, at: datetime) -> float:
        """0 to 100."""
        seconds = (at - self.start).total_seconds()
        number = min(max(bisect_right(self.times, seconds) - 1, 0), len(self.times) - 2)
        low, high = self.times[number], self.times[number + 1]
        share = (seconds - low) / (high - low) if high > low else 0.0
        return self.places[number] + min(max(share, 0.0), 1.0) * (self.places[number + 1] - self.places[number])

    def ticks(self) -> Iterator[tuple[float, float]]:
        """Place and seconds from the start of about six round times, none of them inside or close to a cut."""
        shown = sum(high - low for low, high in zip(self.times, self.times[1:], strict=False))
        shown -= sum(cut.length.total_seconds() for cut in self.cuts)
        step = next((step for step in _ROUND if shown / step <= 7), 86400.0 * max(1, round(shown / 86400 / 6)))
        last = -100.0
        for number in range(len(self.times) - 1):
            if any(cut.at == self.places[number] for cut in self.cuts):
                continue
            multiple = -(-self.times[number] // step)
            while multiple * step <= self.times[number + 1]:
                seconds = multiple * step
                place = self.place(self.start + timedelta(seconds=seconds))
                crowded = any(cut.at - 4 < place < cut.end + 1 for cut in self.cuts)
                if place - last >= 6 and place <= 92 and not crowded:
                    yield place, seconds
                    last = place
                multiple += 1


def axis_of(times: RunTimes) -> Axis:
    """The axis from the run's start to its end."""
    whole = max((times.end - times.start).total_seconds(), 0.001)
    busy = _union(times)
    work = sum(end - start for start, end in busy)
    edges = [0.0, *(at for stretch in busy for at in stretch), whole]
    quiet = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > max(work, 1.0)] if work else []
    quiet = sorted(sorted(quiet, key=lambda stretch: stretch[0] - stretch[1])[:5])
    shown = whole - sum(b - a for a, b in quiet)
    scale = (100 - 100 * _CUT_SHARE * len(quiet)) / shown
    at, place = 0.0, 0.0
    seconds, places, cuts = [0.0], [0.0], []
    for start, end in quiet:
        if start > at:
            place += (start - at) * scale
            seconds.append(start)
            places.append(place)
        cuts.append(Cut(place, place + 100 * _CUT_SHARE, timedelta(seconds=end - start)))
        place += 100 * _CUT_SHARE
        seconds.append(end)
        places.append(place)
        at = end
    if whole > at:
        seconds.append(whole)
        places.append(100.0)
    return Axis(times.start, seconds, places, cuts)


def _union(times: RunTimes) -> list[tuple[float, float]]:
    """When at least one step ran, in seconds from the start."""
    stretches = sorted(
        ((span.start - times.start).total_seconds(), (span.end - times.start).total_seconds())
        for timing in times.steps.values()
        for one in (timing, *timing.items)
        for span in one.spans
        if span.kind == "run"
    )
    union: list[tuple[float, float]] = []
    for start, end in stretches:
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union
