"""Whether attempts began and were cut off when they should: to the microsecond, where nothing else may take time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from life import Life
from plans import Want
from world import Entry

_FAILED = ("failed", "cut off")


def untimely(life: Life, of: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    """What happened too early, too late, or not when it was due."""
    disturbed = {one.process for one in life.entries if one.what in {"pause", "refused by the disk"}}
    stopped = _stopped(life)
    for place, want in life.drawn.places.items():
        yield from _cuts(place, want, of[place], disturbed, stopped)
        yield from _waits(life, place, want, of[place], disturbed)


def _stopped(life: Life) -> dict[int, int]:
    """When each process was given a reason to cut its work off."""
    found: dict[int, int] = {}
    for entry in life.entries:
        if entry.what in {"refused by the disk", "is told to stop"}:
            found.setdefault(entry.process, entry.at_us)
        elif entry.what == "asks to cancel":
            found |= {one.number: entry.at_us for one in life.world.processes if one.number not in found}
    return found


def _cuts(
    place: str, want: Want, entries: Sequence[Entry], disturbed: set[int], stopped: Mapping[int, int]
) -> Iterator[str]:
    begun: dict[tuple[int, int], int] = {}
    for entry in entries:
        if entry.what == "begin":
            begun[entry.process, entry.data[0]] = entry.at_us
        elif entry.what in {"end", "failed", "cut off"} and entry.process not in disturbed:
            lasted = entry.at_us - begun[entry.process, entry.data[0]]
            if lasted > want.timeout_us:
                yield f"{place} was at work for {lasted} us, its timeout is {want.timeout_us} us"
            early = lasted != want.timeout_us and stopped.get(entry.process, entry.at_us + 1) > entry.at_us
            if entry.what == "cut off" and early:
                yield f"{place} was cut off after {lasted} us, its timeout is {want.timeout_us} us"


def _waits(life: Life, place: str, want: Want, entries: Sequence[Entry], disturbed: set[int]) -> Iterator[str]:
    """Between a failure that was told and the next attempt there is the wait, whoever makes it.

    The time is exact in one process, when a place was free, no resource is limited, and commits take no time.
    """
    due_us, told_by, told, count = 0, -1, 0, 0
    for number, entry in enumerate(entries):
        if entry.what == "told retry":
            count, told = count + 1, entry.data[1]
            before = (one for one in reversed(entries[:number]) if one.process == entry.process)
            last = next((one for one in before if one.what in _FAILED), None)
            if last is not None:
                due_us, told_by = last.at_us + want.backoff_us * 2 ** (count - 1), entry.process
        elif entry.what == "begin" and due_us and entry.data[0] > told:  # else it is of one that was stopped for long
            late_us, due_us = entry.at_us - due_us, 0
            if late_us < 0 and not life.world.set_most_us:
                yield f"{place} was tried again {-late_us} us before its wait was over"
            failures = sum(one.what in _FAILED for one in entries[:number])
            exact = told_by == entry.process and told_by not in disturbed and failures == count
            exact = exact and not life.world.weather.commit_us and not life.world.set_most_us
            if exact and late_us > 0 and not _was_full(life, place, want, entry.process, entry.at_us - late_us):
                yield f"{place} was tried again {late_us} us after its wait was over"


def _was_full(life: Life, place: str, want: Want, process: int, at_us: int) -> bool:
    """Whether the attempt had to wait for room."""
    if f"operators.{want.operator}" in life.drawn.limits.resources:
        return True
    at_work: dict[str, Any] = {}
    for entry in life.entries:
        if entry.at_us > at_us:
            break
        if entry.process != process:
            continue
        if entry.what == "begin":
            at_work[entry.place] = True
        elif entry.what in {"end", "failed", "cut off"} and entry.at_us < at_us:
            at_work.pop(entry.place, None)
    of = place.rpartition("/")[0]
    same = sum(one.rpartition("/")[0] == of for one in at_work) if want.at_once else 0
    return len(at_work) >= life.drawn.parallel or (bool(want.at_once) and same >= want.at_once)
