"""What people are asked inside the capsule of a step, as the step itself waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from somagent.operators.runner.records import RunRecord, StepKey, Waiting
from somagent.workflows.engines.run_names import path_below


class Question(NamedTuple):
    """What people are asked somewhere inside a capsule."""

    path: str  # from the run's step on: `approval`, or `scan/approval`
    waiting: Waiting


def asked_inside(key: StepKey, run: RunRecord, questions: Iterable[Question]) -> Waiting:
    """What the step of that key waits for, whose capsule has this run."""
    asked = list(questions)
    own = path_below(key.run, key)
    first = f"{own}/{asked[0].path}: {asked[0].waiting.title}" if asked else f"capsule `{run.capsule}` waits"
    more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    dues = [one.waiting.due for one in asked if one.waiting.due is not None]
    return Waiting(title=f"{first}{more}", child=run.id, due=min(dues, default=None))
