"""For "did you mean": the nearest of the names that would have been right."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one name within a third of the word's length (at least one, at most three edits), nearest first.

    Distance: restricted Damerau-Levenshtein (insert, delete, replace, swap of neighbours), ignoring case at half cost.
    """
    limit = min(3, max(1, len(word) // 3))
    best: str | None = None
    best_distance = limit + 1.0
    for name in names:
        if abs(len(name) - len(word)) > limit:
            continue
        distance = 0.5 if name.lower() == word.lower() else float(_distance(word.lower(), name.lower(), limit))
        if distance < best_distance:
            best, best_distance = name, distance
    return best


def _distance(a: str, b: str, limit: int) -> int:
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, previous = previous, row
    return previous[-1]
