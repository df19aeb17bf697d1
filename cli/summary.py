"""The end of a run in a few lines: what came of each step, what was given, what to do next."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from somagent.cli.asking import approvals
from somagent.cli.evidence import approvals_so_far
from somagent.cli.identity import as_name
from somagent.cli.printing import MARKS, between, console_for, print_folded, printable, visible
from somagent.cli.progress import TURN, Rows
from somagent.cli.runs import data_directory
from somagent.cli.step_lines import Line, print_steps
from somagent.cli.way_on import way_on
from somagent.operators.answers import given_by
from somagent.operators.runner.artifacts import artifacts_in, with_artifacts
from somagent.operators.runner.records import NO_ITEM, Artifact
from somagent.workflows.engines.local.room import room_at
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.engines.slots import NO_LIMITS
from somagent.workflows.engines.views import items_words
from somagent.workflows.limits import read_limits
from somagent.workflows.named_steps import Named, steps_of, waiting_steps
from somagent.workflows.why import FACTS_AT, failed_step, why_failed

if TYPE_CHECKING:
    from rich.console import Console

    from somagent.workflows.engines.opened import OpenEngine

_MOST_STEPS = 40


def print_summary(engine: OpenEngine, view: RunView, arguments: Namespace, report: str | None = None) -> None:
    """Prints the run to standard output; why it failed comes first, or, where it was watched (`report`), last."""
    from rich.text import Text  # noqa: PLC0415

    console = console_for(sys.stdout)
    every = [one for one in steps_of(view) if one.step.item == NO_ITEM]
    waits = _waits(engine, view, arguments) if view.ended_at is None else {}
    steps = [one for one in every if one.step.phase != "Succeeded"] if len(every) > _MOST_STEPS else every
    lines = [
        Line(
            phase=step.phase,
            step=name,
            attempts=step.attempts,
            time=between(step.started_at, step.ended_at),
            verdict=step.verdict.effect if step.verdict else "",
            note="; ".join(filter(None, (waits.get(name, ""), _note(step)))),
        )
        for name, _, step in steps[:_MOST_STEPS]
    ]
    why = asyncio.run(why_failed(engine, view, engine.contents))
    if report is None:
        _explain(console, why)
    console.print()
    print_steps(console, lines)
    if len(lines) < len(every):
        console.print(f"and {len(every) - len(lines):,} more steps")
    console.print()
    for name, value in with_artifacts(view.outputs, view.plan.output_schemas).items():
        console.print(f"{name} = {_value(value)}")
    mark, color = MARKS[view.phase]
    length = between(view.started_at, view.ended_at)
    line = Text(
        f"{mark} {view.run.capsule} {view.run.id}: {view.phase}" + (f" in {length}" if length else ""), style=color
    )
    console.print(line)
    if not why and view.failure is not None:
        print_folded(console, f"  {printable(view.failure.message, 400)}", 4)
    elif report is not None:
        _explain(console, why)
    for warning in view.warnings[:_MOST_STEPS]:
        print_folded(console, f"  beyond the budget: {printable(warning, 400)}", 4, "yellow")
    for hint in _next(engine, view, arguments):
        console.print(f"  {visible(hint)}")
    if report:
        console.print(f"report: {visible(report)}")


def _explain(console: Console, why: list[str]) -> None:
    for number, line in enumerate(why):
        hang = FACTS_AT + 2 * line.startswith("| ", FACTS_AT)  # lines of its log begin so
        print_folded(console, line, hang if number else 2, "" if number else "red")


def _note(step: StepView) -> str:
    if step.failure is not None:
        return printable(step.failure.message)
    if step.waiting is not None and step.phase == "Waiting":
        return printable(step.waiting.title)
    if step.items:
        return items_words((item.phase for item in step.items), len(step.items))
    return ""


def _waits(engine: OpenEngine, view: RunView, arguments: Namespace) -> dict[str, str]:
    """What each step that has not begun waits for, by its name; only who is at work keeps others waiting."""
    rows, now = Rows(view), datetime.now(UTC)
    limits = read_limits(data_directory(arguments)) if view.held_by is not None else NO_LIMITS
    crowded = engine.crowded(view.run.id, limits) if limits.resources else {}
    pending = [row for row in rows.rows.values() if row.phase == "Pending"]
    words = {row.id: rows.waits_for(row, now, crowded) for row in pending}
    return {name: text for name, text in words.items() if view.held_by is not None or text != TURN}


def _next(engine: OpenEngine, view: RunView, arguments: Namespace) -> list[str]:
    if view.phase == "Waiting":
        return [hint for asked in waiting_steps(view) for hint in _decide(view, asked, arguments)]
    if view.phase in {"Failed", "Cancelled"}:
        return _again(view, arguments)
    if view.phase in {"Pending", "Running"} and view.held_by is None:
        top = top_of(view.run.id)
        if not engine.is_here and engine.who_works(top):
            return [f"{engine.who_works(top)} works on it; follow: {way_on(arguments, 'show', top, '--watch')}"]
        why = _cut_off(view, arguments) if engine.is_here else []
        return [*why, f"go on: {way_on(arguments, 'resume', top)}"]
    made = [name for name, _ in artifacts_in(view.plan, view.outputs)]
    return [f"copy: {way_on(arguments, 'artifacts', view.run.id, made[0], '--to', 'FOLDER')}"] if made else []


def _cut_off(view: RunView, arguments: Namespace) -> list[str]:
    """Why nobody is at work on a run whose process could not write it down."""
    if not any(one.ended_at is None for named in steps_of(view) for one in named.step.history):
        return []
    found = ["its process ended without a word: it was killed, or could not write any more"]
    with suppress(OSError):
        if (room := room_at(data_directory(arguments))).is_little:
            found.append(f"the disk of {data_directory(arguments)} has only {room.said}: make room first")
    return found


def _again(view: RunView, arguments: Namespace) -> list[str]:
    """What to type after a run that failed or was cancelled."""
    name = failed_step(view)
    if not name:
        return []
    run = view.run.id
    hints = [f"logs: {way_on(arguments, 'logs', run, name)}"]
    if view.run.parent is None:
        hints.append(f"again: {way_on(arguments, 'retry', run)}   (mended: add `--with-plan new`)")
    return hints


def _decide(view: RunView, asked: Named, arguments: Namespace) -> list[str]:
    name, within, step = asked
    waiting = step.waiting
    if waiting is not None and waiting.due is not None and waiting.due <= datetime.now(UTC):
        resume = way_on(arguments, "resume", top_of(view.run.id))
        return [f"go on: {resume}   (the time to decide is over: {waiting.on_timeout})"]
    approve = way_on(arguments, "approve", view.run.id, name, *as_name(arguments))
    agreed = given_by(approvals_so_far(within, step))
    values = [f"--answer {one}=..." for one in (waiting.outputs if waiting is not None else ()) if one not in agreed]
    hints = [f"decide: {' '.join([approve, *values])}   (or reject)"]
    if waiting is not None:
        given = approvals(within, step)
        words = []
        if waiting.users or waiting.groups:
            words.append(f"may decide: {', '.join([*waiting.users, *(f'members of {one}' for one in waiting.groups)])}")
        if waiting.not_submitter:
            who = view.run.submitter
            words.append(f"not {who}, who started the run" if who else "nobody may: who started the run is not known")
        if waiting.count > 1:
            by = f": {', '.join(given)}" if given else ""
            words.append(f"{waiting.count} approvals needed, {len(given)} given{by}")
        if waiting.due is not None:
            words.append(f"due {waiting.due.astimezone():%Y-%m-%d %H:%M}, then: {waiting.on_timeout}")
        hints += [f"        {printable(word, 160)}" for word in words]
    return hints


def _value(value: Any) -> str:
    if isinstance(value, Artifact):
        return f"{value.kind} {printable(value.name)} ({value.size:,} bytes) {value.artifact[:19]}"
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} items"
    value = msgspec.to_builtins(value)
    if isinstance(value, dict) and len(value) > 8:
        return f"{len(value)} fields: {printable(', '.join([*list(value)[:6], '...']))}"
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 160)
