"""Runs that wait for people, looked at from outside: what is asked, and whether something inside can go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from somagent.operators.deciding import outcome
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.engines.sub_capsules import Question
from somagent.workflows.engines.written import Rows


class News(NamedTuple):
    """Whether something inside a parked run can go on, and what was looked at to say so."""

    ready: bool
    seen: tuple[tuple[int, bool], ...]


def news(rows: Rows, run_id: str, now: datetime) -> News:
    """Whether people decided, or a due date passed, somewhere inside a parked run."""
    submitter = rows.run(run_id).run.submitter
    ready = False
    seen: list[tuple[int, bool]] = []
    for key, attempt in rows.unfinished(run_id).items():
        waiting = attempt.waiting
        if waiting is None:
            ready = True
        elif waiting.child:
            below = news(rows, waiting.child, now)
            ready, seen = ready or below.ready, [*seen, *below.seen]
        else:
            decisions = rows.decisions_on(key)
            ready = ready or outcome(waiting, decisions, submitter=submitter, now=now) is not None
            seen.append((len(decisions), waiting.due is not None and now >= waiting.due))
    return News(ready, tuple(seen))


def questions(rows: Rows, run_id: str, top: str = "") -> Iterator[Question]:
    """What people are asked inside a run."""
    top = top or run_id
    for key, attempt in rows.unfinished(run_id).items():
        if attempt.waiting is not None and attempt.waiting.child:
            yield from questions(rows, attempt.waiting.child, top)
        elif attempt.waiting is not None:
            yield Question(path_below(top, key), attempt.waiting)


def dues(rows: Rows, run_id: str) -> Iterator[datetime]:
    """When the time to decide is over, for everything that people are asked inside a run."""
    return (question.waiting.due for question in questions(rows, run_id) if question.waiting.due is not None)
