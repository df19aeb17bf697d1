"""Whether more was at work at once than may be: places of the engine, items of a fan-out, limited resources."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from life import Life

_BURST_S = 6.0  # of a rate may be used at once
_SLACK_US = 100_000  # a place is taken before the attempt is written down


def too_much(life: Life) -> Iterator[str]:
    """For each process by itself: another one may be stopped while it has something at work."""
    drawn = life.drawn
    at_work: dict[int, Counter[str]] = defaultdict(Counter)
    limits = {name.partition(".")[2]: one for name, one in drawn.limits.resources.items()}
    paused = {entry.process for entry in life.entries if entry.what == "pause"}
    begun: dict[tuple[int, str], list[int]] = defaultdict(list)
    for entry in life.entries:
        own, want = at_work[entry.process], drawn.places.get(entry.place)
        if want is None or entry.what not in {"begin", "end", "failed", "cut off"}:
            continue
        step, _, item = entry.place.rpartition("/")
        names = ["places", f"operators {want.operator}", *([f"items of {step}"] if step else [])]
        if entry.what != "begin":
            own.subtract(names)
            continue
        own.update(names)
        limit = limits.get(want.operator)
        most = {"places": drawn.parallel, f"operators {want.operator}": limit.at_once if limit else 0}
        most[f"items of {step}"] = want.at_once if item.isdigit() else 0
        for name in names:
            if most.get(name) and own[name] > most[name]:
                yield f"{name}: {own[name]} at work with {entry.place}, allowed are {most[name]}"
        if limit and limit.per_minute and entry.process not in paused:
            times = begun[entry.process, want.operator]
            times.append(entry.at_us)
            per_us = limit.per_minute / 60_000_000
            for number, start in enumerate(times):
                allowed = max(1.0, per_us * _BURST_S * 1_000_000) + per_us * (entry.at_us - start + _SLACK_US)
                if len(times) - number > allowed + 1:
                    yield f"{len(times) - number} of {want.operator} began within {entry.at_us - start} us"
