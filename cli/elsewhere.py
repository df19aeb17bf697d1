"""A run beside another process that works here: followed, with the same view as if it were at work in this one."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from somagent.cli.exits import Exit
from somagent.cli.printing import print_json, visible
from somagent.cli.progress import name_run, progress_for
from somagent.cli.runs import data_directory, run_object
from somagent.cli.way_on import way_on
from somagent.operators.runner.records import RunRecord
from somagent.workflows.engines.local.crowding import Crowded
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import DataDirectoryHeld, Event, RunView
from somagent.workflows.limits import read_limits


@dataclass(slots=True)
class Course:
    """What has become of a command's run so far."""

    run: str = ""
    elsewhere: bool = False  # it is only followed here
    named: bool = False  # to whoever looks on


class Watching:
    """The onlooker of a command: shows the run as it goes on, and says who works on it."""

    def __init__(self, engine: OpenEngine, course: Course, arguments: Namespace) -> None:
        self._engine, self._course, self._arguments = engine, course, arguments

    def stored(self, run: RunRecord) -> None:
        """Names a run that is about to be given to what works on it elsewhere, which may take minutes.

        A command that does no more than that names it once it is done.
        """
        self._course.run = run.id
        if not getattr(self._arguments, "detach", False):
            name_run(run, self._arguments.output)
            self._course.named = True

    @contextmanager
    def begins(self, view: RunView, *, elsewhere: bool) -> Iterator[Callable[[Event], None]]:
        """Shows the events; beside another process, says when the run begins later."""
        engine, run_id = self._engine, view.run.id
        if self._course.elsewhere and not elsewhere:
            sys.stderr.write(f"note: who worked on {run_id} is gone; it goes on here, and Ctrl-C stops it\n")
        self._course.elsewhere = elsewhere
        is_there = not elsewhere or engine.server() is not None or engine.view(run_id).held_by is not None
        pid = None if is_there else engine.holder()
        if pid is not None:
            sys.stderr.write(f"note: process {pid} runs a capsule here; {run_id} begins when it has ended\n")

        def crowded() -> Mapping[str, Crowded]:
            limits = read_limits(data_directory(self._arguments)) if elsewhere else engine.limits
            return engine.crowded(run_id, limits if elsewhere else None) if limits.resources else {}

        output, named = self._arguments.output, self._course.named
        with (progress := progress_for(view, output, crowded, named=named)):
            yield progress.tell

    def taken_over(self, why: DataDirectoryHeld) -> None:
        """Says so."""
        sys.stderr.write(f"note: {visible(str(why))}\n")


def detached(engine: OpenEngine, run_id: str, arguments: Namespace) -> int:
    """Says that a run was submitted, and who works on it; exit code 0."""
    if arguments.output == "json":
        print_json(run_object(engine.view(run_id)))
        return Exit.OK
    serve, resume = way_on(arguments, "serve", "--engine"), way_on(arguments, "resume", run_id)
    who = engine.who_works(run_id)
    how = f"{who} works on it" if who else f"nobody works on it until `{serve}` or `{resume}`"
    print(f"{run_id} is submitted; {how}")
    return Exit.OK


def left(engine: OpenEngine, run_id: str, arguments: Namespace) -> str:
    """What is said when a run is not followed any more."""
    who = engine.who_works(run_id)
    if not who:
        return f"left; {run_id} is submitted and has not ended; go on with `{way_on(arguments, 'resume', run_id)}`"
    look, stop = way_on(arguments, "resume", run_id), way_on(arguments, "cancel", run_id)
    return f"left; {who} goes on with {run_id}; follow it again: `{look}`; stop it: `{stop}`"


def broken_off(engine: OpenEngine, run_id: str, arguments: Namespace) -> str:
    """What is said when a command ends while what works elsewhere is given its run."""
    if not run_id:
        return f"stopped; no run has begun; `{way_on(arguments, 'runs')}` shows whether one is stored"
    who = engine.who_works(run_id) or "its engine"
    go_on, stop = way_on(arguments, "resume", run_id), way_on(arguments, "cancel", run_id)
    return (
        f"stopped while {who} was given {run_id}, which is stored and may have begun; go on with it: `{go_on}`;"
        f" stop it: `{stop}`"
    )
