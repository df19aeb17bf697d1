"""What people are asked in runs that are kept elsewhere than in a journal, the oldest question first."""

from __future__ import annotations

from collections.abc import Iterator

from somagent.operators.deciding import approvals_of, question_of
from somagent.operators.runner.records import ENDED
from somagent.workflows.engines.parked import OpenQuestion
from somagent.workflows.engines.protocol import Engine, RunView
from somagent.workflows.named_steps import waiting_steps


def waiting_for_people(engine: Engine) -> list[OpenQuestion]:
    """Every question that runs which have not ended ask people."""
    left = [one.id for one in engine.runs() if one.phase not in ENDED]
    found = [question for run_id in left for question in _open_questions(engine.view(run_id))]
    return sorted(found, key=lambda one: (one.since, one.run.id, one.step))


def _open_questions(view: RunView) -> Iterator[OpenQuestion]:
    for name, within, step in waiting_steps(view):
        waiting = step.waiting
        if waiting is None:
            continue
        question = question_of(waiting)
        asked = (one for one in step.history if one.waiting is not None and question_of(one.waiting) == question)
        since = next((one.ended_at for one in asked if one.ended_at is not None), None)
        own = [one for one in within.decisions if (one.step, one.item) == (step.id, step.item)]
        if since is not None:
            given = approvals_of(waiting, own, within.run.started_by)
            yield OpenQuestion(view.run, name, waiting, since, tuple(one.by for one in given))
