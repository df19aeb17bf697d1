"""The form of a check and of what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..context import Context
from ..findings import SHOWN, Finding, accept, counts
from ..text import show


@dataclass(slots=True)
class Outcome:
    """What a check found. `notes` are short lines that say what was looked at, for a person who asks."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    applies: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its share of the score (`weight`, all weights sum to 100) and what it is for."""

    id: str
    title: str
    weight: int
    why: str
    run: Callable[[Context], Outcome]


def nothing(note: str) -> Outcome:
    """The check has nothing of its kind to judge here."""
    return Outcome(applies=False, notes=[note])


def result(check: Check, outcome: Outcome, allowed: dict[str, str]) -> dict[str, Any]:
    """The check's outputs in the capsule. At most `SHOWN` findings travel on, the gravest; all are counted."""
    judged = accept(outcome.findings, allowed)
    return {
        "check": check.id,
        "title": check.title,
        "weight": check.weight,
        "applies": outcome.applies,
        "findings": [finding.shown() for finding in judged[:SHOWN]],
        "counts": counts(judged),
        "hidden": max(len(judged) - SHOWN, 0),
        "notes": [show(note, 200) for note in outcome.notes[:8]],
    }


def places(items: Iterable[str], limit: int = 3) -> str:
    """A short list for a message: `a, b, c and 4 more`."""
    names = [show(item, 80) for item in items]
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
