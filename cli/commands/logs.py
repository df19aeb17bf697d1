"""`somagent logs`: what steps wrote."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from somagent.cli.exits import Exit
from somagent.cli.inside import named_step
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import open_engine
from somagent.operators.runner.records import NO_ITEM
from somagent.workflows.engines.opened import Followed, OpenEngine
from somagent.workflows.engines.protocol import LogChunk, RunView
from somagent.workflows.engines.run_names import find_run, path_below
from somagent.workflows.named_steps import Named, steps_of

_LOOK_S = 0.2
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


class _Line(NamedTuple):
    """What an attempt wrote, when it began, and how its step is called."""

    at: datetime
    name: str
    chunk: LogChunk


def run(arguments: Namespace) -> int:
    """Prints logs in the order in which attempts began, each line with its step; as JSON, as they were written."""
    engine = open_engine(arguments)
    run_id = find_run(engine, arguments.run)
    view = engine.view(run_id)
    if arguments.follow:
        return _follow(engine, view, arguments)
    lines = _of_step(engine, named_step(view, arguments.step)) if arguments.step else _of_run(engine, view)
    chunks = [(name, chunk) for _, name, chunk in sorted(lines, key=lambda line: line[0])]
    if arguments.output == "json":
        print_json([_object(one) for _, one in chunks])
        return 0
    if not chunks:
        who = f"step `{arguments.step}`" if arguments.step else "the run"
        sys.stderr.write(f"{who} wrote nothing\n")
    for name, one in chunks:
        _print(name, one)
    return 0


def _print(name: str, one: LogChunk) -> None:
    prefix = name + (f" #{one.attempt}" if one.attempt > 1 else "")
    for line in one.text.splitlines():
        sys.stdout.write(f"{prefix} | {visible(_ESCAPES.sub('', line))}\n")


def _object(one: LogChunk) -> dict[str, Any]:
    return {
        "run": one.key.run,
        "step": one.key.step,
        "item": None if one.key.item == NO_ITEM else one.key.item,
        "attempt": one.attempt,
        "text": one.text,
    }


def _follow(engine: OpenEngine, view: RunView, arguments: Namespace) -> int:
    """Prints lines as they are written, those of before first; as JSON, an object in each line."""
    if arguments.step and not _may_have(view, arguments.step):
        named_step(view, arguments.step)  # says which there are

    def show(chunk: LogChunk) -> None:
        name = path_below(view.run.id, chunk.key)
        if arguments.step and name != arguments.step and not name.startswith(f"{arguments.step}/"):
            return
        if arguments.output == "json":
            sys.stdout.write(json.dumps(_object(chunk), ensure_ascii=False) + "\n")
        else:
            _print(name, chunk)
        sys.stdout.flush()

    async def main() -> None:
        with engine.following(view.run.id) as events:
            events.written()  # asks for all of it, before anything is looked at
            over = asyncio.create_task(_drained(events))
            while True:
                last = over.done()
                for chunk in events.written():
                    show(chunk)
                if last:
                    break
                await asyncio.wait([over], timeout=_LOOK_S)
            await over

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    phase = engine.view(view.run.id).phase
    if phase in {"Pending", "Running"}:
        sys.stderr.write(f"nobody works on {view.run.id} now\n")
    return Exit.OK


async def _drained(events: Followed) -> None:
    """Says what keeps the run, or its lines, from being followed."""
    async for event in events:
        if event.kind == "trouble":
            of = f"{event.key.step}: " if event.key.step else ""
            sys.stderr.write(f"note: {visible(of + event.message)}\n")


def _may_have(view: RunView, name: str) -> bool:
    """Whether a step has this name, or will have: items, and what is inside capsules, come while a run goes on."""
    return any(step.id == name.partition("/")[0] for step in view.steps)


def _of_run(engine: OpenEngine, view: RunView, above: str = "") -> Iterator[_Line]:
    """What the attempts of a run, and of those inside it, wrote."""
    for named in steps_of(view, above, deeper=False):
        if named.step.inner is not None:
            yield from _of_run(engine, named.step.inner, f"{named.name}/")
    yield from _lines(view, list(engine.logs(view.run.id)), above)


def _of_step(engine: OpenEngine, named: Named) -> Iterator[_Line]:
    """What the attempts of a step, of its items, and of the steps of its capsule wrote."""
    above = named.name.removesuffix(_own(named.step.id, named.step.item))
    chunks = engine.logs(named.view.run.id, named.step.id)
    yield from _lines(named.view, [one for one in chunks if named.step.item in {NO_ITEM, one.key.item}], above)
    for one in (named.step, *named.step.items):
        if one.inner is not None:
            yield from _of_run(engine, one.inner, f"{above}{_own(one.id, one.item)}/")


def _lines(view: RunView, chunks: list[LogChunk], above: str) -> Iterator[_Line]:
    starts = {
        (attempt.key, attempt.number): attempt.started_at
        for step in view.steps
        for one in (step, *step.items)
        for attempt in one.history
    }
    for chunk in chunks:
        yield _Line(starts[chunk.key, chunk.attempt], above + _own(chunk.key.step, chunk.key.item), chunk)


def _own(step: str, item: int) -> str:
    return step if item == NO_ITEM else f"{step}/{item}"
