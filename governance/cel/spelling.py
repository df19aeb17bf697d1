"""What the author probably meant, when a name is unknown."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 64


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is few typing mistakes away (a third of its length at most, one in a short name), or None.

    Ties go to the first in alphabetical order, so that a message never depends on the order of a dict.
    """
    best: str | None = None
    limit = max(1, (len(name) + 1) // 3) if len(name) > 2 else 0
    if len(name) > _LONGEST:
        return None
    for candidate in sorted(known):
        if abs(len(candidate) - len(name)) > limit:
            continue
        distance = _distance(name.lower(), candidate.lower())
        if distance <= limit and (best is None or distance < limit):
            best, limit = candidate, distance
    return best


def _distance(a: str, b: str) -> int:
    """Optimal string alignment distance: insert, delete, replace or swap neighbours, each costs 1."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
