"""Runs that wait for people, looked at from outside: what is asked, and whether something inside can go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from somagent.operators.deciding import approvals_of, outcome, question_of
from somagent.operators.runner.records import RunRecord, StepKey, Waiting
from somagent.workflows.engines.asked_inside import Question
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.engines.rules import is_final
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.engines.written import Rows


class News(NamedTuple):
    """Whether something inside a parked run can go on, and what was looked at to say so."""

    ready: bool
    seen: tuple[tuple[int, bool], ...]


def news(rows: Rows, run_id: str, now: datetime) -> News:
    """Whether people decided, or a due date passed, somewhere inside a parked run."""
    submitter = rows.run(run_id).run.started_by
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


def questions(rows: Rows, run_id: str) -> Iterator[Question]:
    """What people are asked inside a run."""
    return (Question(path_below(run_id, key), waiting) for key, waiting in _asked(rows, run_id))


def is_at_the_end(rows: Rows, run: RunRecord, step: str) -> bool:
    """Whether a step of the run is a part of `finally`, its own or that of a run around it: no cancellation ends it."""
    while not is_final(rows.plan(run.id), step):
        if run.parent is None:
            return False
        step, run = run.parent.step, rows.run(run.parent.run).run
    return True


def can_be_stopped(view: RunView) -> bool:
    """Whether something waits in a parked run that a cancellation would end: not when only `finally` asks people."""
    waiting = (
        one
        for step in view.steps
        if not is_final(view.plan, step.id)
        for one in step.items or [step]
        if one.phase == "Waiting"
    )
    return any(one.inner is None or one.inner.phase != "Waiting" or can_be_stopped(one.inner) for one in waiting)


class OpenQuestion(NamedTuple):
    """A question that people have not answered yet, and who waits for whom since when."""

    run: RunRecord
    step: str  # `agree`, `agree/2` of a fan-out, `scan/agree` inside a capsule
    waiting: Waiting
    since: datetime
    approved: tuple[str, ...]

    @property
    def who(self) -> str:
        """Whose answer is waited for."""
        able = [*self.waiting.users, *(f"members of {group}" for group in self.waiting.groups)]
        who = ", ".join(able) or "anyone"
        if not self.waiting.not_submitter:
            return who
        return f"{who}, not {self.run.submitter}" if self.run.submitter else "nobody: who started the run is not known"


def open_questions(rows: Rows, run_id: str) -> Iterator[OpenQuestion]:
    """What people are asked inside a run that is parked or at work, in no order."""
    run = rows.run(run_id).run
    for key, waiting in _asked(rows, run_id):
        question = question_of(waiting)
        tries = (one for one in rows.attempts_of(key) if one.waiting is not None and one.ended_at is not None)
        since = next(one.ended_at for one in tries if one.waiting is not None and question_of(one.waiting) == question)
        given = approvals_of(waiting, rows.decisions_on(key), run.started_by)
        if since is not None:
            approved = tuple(one.by for one in given)
            yield OpenQuestion(run, path_below(run_id, key), waiting, since, approved)


def _asked(rows: Rows, run_id: str) -> Iterator[tuple[StepKey, Waiting]]:
    for key, attempt in rows.unfinished(run_id).items():
        if attempt.waiting is not None and attempt.waiting.child:
            yield from _asked(rows, attempt.waiting.child)
        elif attempt.waiting is not None:
            yield key, attempt.waiting


def dues(rows: Rows, run_id: str) -> Iterator[datetime]:
    """When the time to decide is over, for everything that people are asked inside a run."""
    return (question.waiting.due for question in questions(rows, run_id) if question.waiting.due is not None)
