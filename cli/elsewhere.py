"""A run beside another process that works here: followed, with the same view as if it were at work in this one."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import dataclass

from somagent.cli.exits import Exit
from somagent.cli.printing import print_json
from somagent.cli.progress import progress_for
from somagent.cli.runs import run_object
from somagent.cli.way_on import way_on
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import DataDirectoryHeld, RunView


@dataclass(slots=True)
class Course:
    """What has become of a command's run so far."""

    run: str = ""
    elsewhere: bool = False  # it is only followed here


async def is_held_here(engine: LocalEngine) -> bool:
    """Whether this process works in the data directory from now on; else another one does."""
    try:
        await engine.hold()
    except DataDirectoryHeld:
        return False
    return True


async def follow(engine: LocalEngine, run_id: str, arguments: Namespace) -> RunView | None:
    """Shows a run until it ends or waits for people: the run then. None: nobody works here any more."""
    pid = None if engine.server() is not None or engine.view(run_id).held_by is not None else engine.holder()
    if pid is not None:
        sys.stderr.write(f"note: process {pid} runs a capsule here; {run_id} begins when it has ended\n")
    with engine.following(run_id) as events, (progress := progress_for(events.view, arguments.output)):
        async for event in events:
            progress.tell(event)
        return engine.view(run_id) if events.phase is not None else None


def detached(engine: LocalEngine, run_id: str, arguments: Namespace) -> int:
    """Says that a run was submitted, and who works on it; exit code 0."""
    if arguments.output == "json":
        print_json(run_object(engine.view(run_id)))
        return Exit.OK
    pid = engine.server()
    serve, resume = way_on(arguments, "serve", "--engine"), way_on(arguments, "resume", run_id)
    who = f"process {pid} works on it" if pid is not None else f"nobody works on it until `{serve}` or `{resume}`"
    print(f"{run_id} is submitted; {who}")
    return Exit.OK


def left(engine: LocalEngine, run_id: str, arguments: Namespace) -> str:
    """What is said when a run is not followed any more."""
    pid = engine.server()
    if pid is None:
        return f"left; {run_id} is submitted and has not ended; go on with `{way_on(arguments, 'resume', run_id)}`"
    look, stop = way_on(arguments, "resume", run_id), way_on(arguments, "cancel", run_id)
    return f"left; process {pid} goes on with {run_id}; follow it again: `{look}`; stop it: `{stop}`"
