"""What people are asked inside the capsule of a step, as the step itself waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from somagent.operators.runner.records import RunRecord, StepKey, Waiting
from somagent.workflows.engines.run_names import path_below


class Question(NamedTuple):
    """What people are asked somewhere inside a capsule."""

    path: str  # from the run's step on: `approval`, or `scan/approval`
    waiting: Waiting


def asked_inside(key: StepKey, run: RunRecord, questions: Iterable[Question]) -> Waiting:
    """What the step of that key waits for, whose capsule has this run."""
    own = path_below(key.run, key)
    asked = [Question(f"{own}/{one.path}", one.waiting) for one in questions]
    return (
        replace(as_one(asked), child=run.id) if asked else Waiting(title=f"capsule `{run.capsule}` waits", child=run.id)
    )


def as_one(asked: Sequence[Question]) -> Waiting:
    """The first of them, how many more there are, and when the first of all is due."""
    more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    dues = [one.waiting.due for one in asked if one.waiting.due is not None]
    return Waiting(title=f"{asked[0].path}: {asked[0].waiting.title}{more}", due=min(dues, default=None))
