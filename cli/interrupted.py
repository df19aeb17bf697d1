"""Runs that were cut off: told of by the next run, and offered when they are what was asked for."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.cli.printing import printable
from somagent.cli.prompting import is_terminal, read_line
from somagent.cli.way_on import way_on
from somagent.governance.canonical import canonical_json
from somagent.operators.runner.records import ENDED
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import JournalDamaged, RunView

_UNFINISHED = {"Pending", "Running"}


async def offered(
    engine: OpenEngine, plan: Plan, inputs: Mapping[str, Any], submitter: str, arguments: Namespace
) -> str | None:
    """The interrupted run to go on with, when somebody at the terminal says so; None: start a new one.

    Offered is only a run of the same plan, inputs and submitter; of others, and without a terminal, a note is left.
    The engine holds the data directory, so nobody works on these runs.
    """
    views = list(_unfinished(engine, plan.capsule.name))
    different = {view.run.id: _difference(view, plan, inputs, submitter) for view in views}
    same = next((view for view in views if not different[view.run.id]), None)
    if same is not None and arguments.output == "text" and is_terminal():
        sys.stderr.write(f"run {_told(same)} was interrupted; go on with it? [Y/n] ")
        sys.stderr.flush()
        answer = await read_line()
        return same.run.id if answer is not None and answer.lower() in {"", "y", "yes"} else None
    for view in [same] if same is not None else views[:1]:
        why = different[view.run.id]
        which = f", with {why}," if why else ""
        resume = way_on(arguments, "resume", view.run.id)
        sys.stderr.write(
            f"note: run {view.run.id} of this capsule{which} was interrupted; `{resume}` goes on with it\n"
        )
    return None


def _unfinished(engine: OpenEngine, capsule: str) -> Iterator[RunView]:
    """Those that can be read, newest first: what is wrong with an old run keeps nobody from a new one."""
    with suppress(JournalDamaged):
        for run in engine.runs():
            if run.phase in _UNFINISHED and run.capsule == capsule:
                with suppress(JournalDamaged):
                    yield engine.view(run.id)


def _difference(view: RunView, plan: Plan, inputs: Mapping[str, Any], submitter: str) -> str:
    """What sets the run apart from what is asked for now; empty when nothing does."""
    parts = []
    if view.run.plan_digest != plan_digest(plan):
        parts.append("another plan")
    if canonical_json(view.run.inputs) != canonical_json(dict(inputs)):
        parts.append("other inputs")
    if view.run.submitter != submitter:
        parts.append("another submitter")
    return " and ".join(parts)


def _told(view: RunView) -> str:
    done = sum(step.phase in ENDED for step in view.steps)
    given = ", ".join(f"{name}={_short(value)}" for name, value in view.run.inputs.items())
    begun = f"{view.run.created_at.astimezone():%Y-%m-%d %H:%M}"
    said = f"{view.run.id} ({begun}, {done} of {len(view.steps)} steps done" + (f"; {given}" if given else "") + ")"
    return f"{printable(said, 300)} of this capsule"


def _short(value: Any) -> str:
    return printable(value if isinstance(value, str) else canonical_json(value).decode(), 60)
