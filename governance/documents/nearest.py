"""For "did you mean": the nearest of the names that would have been right."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
    distance = _distances_from(word.lower())
    best: str | None = None
    for name in _possible(word, names, limit):
        far = distance(name.lower())
        if far <= limit:
            best, limit = name, far - 1
        if limit < 0:
            break
    return best


def nearest_first(word: str, names: Iterable[str]) -> list[str]:
    """All names that are as near as `nearest` asks, the nearest first, then in alphabetical order."""
    limit, distance = _limit(word), _distances_from(word.lower())
    distances = ((distance(name.lower()), name) for name in _possible(word, names, limit))
    return [name for far, name in sorted(distances) if far <= limit]


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


def _distances_from(word: str) -> Callable[[str], int]:
    """The distance to other words, by the bit-parallel algorithm of H. Hyyrö, "A bit-vector algorithm for computing
    Levenshtein and Damerau edit distances" (Nordic Journal of Computing 10, 2003), section 4.

    A bit stands for a letter of `word`; the vectors say where the columns of the table of distances rise and fall.
    """
    every, last = (1 << len(word)) - 1, 1 << len(word) >> 1
    places: dict[str, int] = {}
    for at, letter in enumerate(word):
        places[letter] = places.get(letter, 0) | 1 << at

    def distance(other: str) -> int:
        rises, falls, diagonal, before, result = every, 0, 0, 0, len(word)
        for letter in other:
            here = places.get(letter, 0)
            swapped = (~diagonal & here) << 1 & before
            diagonal = ((here & rises) + rises ^ rises) | here | falls | swapped
            up, down = falls | ~(diagonal | rises), diagonal & rises
            result += bool(up & last) - bool(down & last)
            up, down = up << 1 | 1, down << 1
            rises, falls, before = (down | ~(diagonal | up)) & every, up & diagonal & every, here
        return result

    return distance
