"""What was meant is suggested: one name that is few typing mistakes away, or none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somagent.governance.documents import nearest, nearest_first


@pytest.mark.parametrize(
    ("word", "names", "near"),
    [
        ("covrage", ["coverage", "report"], "coverage"),
        ("langauge", ["language"], "language"),
        ("timeOut", ["timeout", "time"], "timeout"),
        ("Timeout", ["timeout"], "timeout"),
        ("scrpt", ["script", "policy"], "script"),
        ("inputs", ["outputs", "input"], "input"),
        ("ab", ["ac", "b"], None),
        ("AB", ["ab"], "ab"),
        ("retries", ["attempts", "timeout"], None),
        ("test", ["text", "tent"], "tent"),
        ("", ["a"], None),
        ("x" * 100, ["x" * 99], None),
        ("unknown", [], None),
    ],
)
def test_the_nearest_name_is_suggested(word: str, names: list[str], near: str | None) -> None:
    assert nearest(word, names) == near
    assert nearest(word, reversed(names)) == near


names = st.text(alphabet="abc_", min_size=1, max_size=12)


def edits(a: str, b: str) -> int:
    """Optimal string alignment distance, straight from its definition."""
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(a), len(b)]


@given(names, st.lists(names, max_size=6))
def test_it_is_the_one_with_the_fewest_edits(word: str, known: list[str]) -> None:
    limit = min(3, max(1, (len(word) + 1) // 3)) if len(word) > 2 else 0
    near = [name for name in sorted(known) if edits(word, name) <= limit]
    assert nearest(word, known) == (min(near, key=lambda name: edits(word, name)) if near else None)


def test_thousands_of_alike_names_take_milliseconds() -> None:
    known = [f"step_{number}" for number in range(5000)]
    start = time.process_time()
    for _ in range(10):
        nearest("stpe_4999x", known)
    assert time.process_time() - start < 2


@given(names, st.lists(names, max_size=6, unique=True))
def test_near_names_come_in_the_order_of_their_distance(word: str, known: list[str]) -> None:
    found = nearest_first(word, known)
    assert found == sorted(found, key=lambda name: (edits(word, name), name))
    assert found[:1] == [name for name in [nearest(word, known)] if name]
