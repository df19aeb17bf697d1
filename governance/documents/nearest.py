"""For "did you mean": the nearest of the names that would have been right."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 64
_MOST = 300


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that is few typing mistakes away, or None: a third of the word's length, from one to three.

    Of words of one or two letters only the case may differ. Among equally near names the first in alphabetical order
    wins, so that a message never depends on the order of a dict. Distance: restricted Damerau-Levenshtein (insert,
    delete, replace, swap of neighbours), without regard to case. Work is bounded: of more than 300 names that could be
    near, the first 300 are compared.
    """
    limit = _limit(word)
    best: str | None = None
    for name in _possible(word, names, limit):
        distance = _distance(word.lower(), name.lower(), limit)
        if distance <= limit:
            best, limit = name, distance - 1
        if limit < 0:
            break
    return best


def nearest_first(word: str, names: Iterable[str]) -> list[str]:
    """All names that are as near as `nearest` asks, the nearest first, then in alphabetical order."""
    limit = _limit(word)
    distances = ((_distance(word.lower(), name.lower(), limit), name) for name in _possible(word, names, limit))
    return [name for distance, name in sorted(distances) if distance <= limit]


def _limit(word: str) -> int:
    return min(3, max(1, (len(word) + 1) // 3)) if len(word) > 2 else 0


def _possible(word: str, names: Iterable[str], limit: int) -> list[str]:
    if len(word) > _LONGEST:
        return []
    letters = frozenset(word.lower())
    shortest, longest = len(word) - limit, len(word) + limit
    possible = sorted(
        name for name in names if shortest <= len(name) <= longest and len(letters.difference(name.lower())) <= limit
    )
    return possible[:_MOST]


def _distance(a: str, b: str, limit: int) -> int:
    """The distance, or anything above `limit` when it is above."""
    a, b = _without_common_ends(a, b)
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and (not before or min(previous) > limit):
            return limit + 1
        before, previous = previous, row
    return previous[-1]


def _without_common_ends(a: str, b: str) -> tuple[str, str]:
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return a[start : len(a) - end], b[start : len(b) - end]
