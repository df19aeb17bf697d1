"""Working on a run from a terminal or a pipe: the live view, questions to people, Ctrl-C, and the end."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from somagent.cli.asking import ask_people
from somagent.cli.elsewhere import Course, Watching, broken_off, detached, left
from somagent.cli.exits import Exit, exit_of
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import data_directory, run_object
from somagent.cli.stopping import say_when_it_takes_long
from somagent.cli.streams import endure, kept_clean
from somagent.cli.summary import print_summary
from somagent.cli.way_on import way_on
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import LogChunk, RunView
from somagent.workflows.named_steps import steps_of
from somagent.workflows.pursuing import pursue

T = TypeVar("T")


class _Stopped(Exception):
    """Signals ended the command before it was through."""

    def __init__(self, by: Sequence[signal.Signals]) -> None:
        super().__init__()
        self.exit_code = Exit.INTERRUPTED if signal.SIGINT in by else Exit.TERMINATED


def work(engine: OpenEngine, start: Callable[[], Awaitable[str]], arguments: Namespace, run_id: str = "") -> int:
    """Starts a run with `start`, or goes on with `run_id`, works on it until it ends or parks, and shows it.

    The exit code follows the run, whatever becomes of the output.
    """
    gc.enable()
    endure()
    course = Course(run_id)
    onlooker = Watching(engine, course, arguments)
    engine.on_stored(onlooker.stored)

    async def main() -> RunView:
        async with engine:
            course.run = await start()
            while True:
                view = await pursue(engine, course.run, onlooker)
                if view.phase != "Waiting" or not await ask_people(engine, view, arguments):
                    return view

    try:
        with kept_clean(clean=arguments.output == "json"):
            view = _until_stopped(engine, course, main)
    except _Stopped as stopped:
        return _say_stopped(engine, course, stopped, arguments)
    return finish(engine, view, arguments)


def begin(engine: OpenEngine, start: Callable[[], Awaitable[str]], arguments: Namespace) -> int:
    """Starts a run, and works on it unless the command was told not to."""
    if not arguments.detach:
        return work(engine, start, arguments)
    course = Course()
    engine.on_stored(Watching(engine, course, arguments).stored)

    async def main() -> str:
        async with engine:
            return await start()

    try:
        return detached(engine, _until_stopped(engine, course, main), arguments)
    except _Stopped as stopped:
        return _say_stopped(engine, course, stopped, arguments)


def _until_stopped(engine: OpenEngine, course: Course, main: Callable[[], Awaitable[T]]) -> T:
    """What `main` gives; raises `_Stopped` when a signal ends it."""
    stopped_by: list[signal.Signals] = []

    def stop(task: asyncio.Task[T] | None, number: signal.Signals) -> None:
        if not stopped_by:
            say_when_it_takes_long(engine, course, number)
        stopped_by.append(number)
        if task is not None:
            task.cancel()

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, task, number)
        return await main()

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise _Stopped(stopped_by) from None


def finish(engine: OpenEngine, view: RunView, arguments: Namespace) -> int:
    """Writes the report, shows the run, and gives the exit code."""
    report = ""
    try:
        report = write_run_report(engine, view, arguments)
    except OSError as error:  # the run is what counts; its report can be written at any time
        try_again = way_on(arguments, "report", view.run.id)
        why = visible(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.stderr.write(f"warning: no report was written: {why}; try `{try_again}`\n")
    if arguments.output == "json":
        print_json(run_object(view) | {"report": report})
    else:
        print_summary(engine, view, arguments, report)
    return exit_of(view.phase)


def write_run_report(engine: OpenEngine, view: RunView, arguments: Namespace, to: str | None = None) -> str:
    """Writes the HTML report and returns its path."""
    from pathlib import Path  # noqa: PLC0415

    from somagent.workflows.report import write_report  # noqa: PLC0415  needed at the end only

    path = Path(to) if to else data_directory(arguments) / "reports" / f"{view.run.id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_report(view, path, contents=engine.contents, logs=_logs(engine, view))
    return str(path)


def _logs(engine: OpenEngine, view: RunView) -> Iterator[LogChunk]:
    """What the attempts of the run wrote, and those of the runs inside it."""
    yield from engine.logs(view.run.id)
    for one in steps_of(view, deeper=False):
        if one.step.inner is not None:
            yield from _logs(engine, one.step.inner)


def _say_stopped(engine: OpenEngine, course: Course, stopped: _Stopped, arguments: Namespace) -> int:
    if course.elsewhere:
        said = left(engine, course.run, arguments)
    elif not engine.is_here:
        said = broken_off(engine, course.run, arguments)
    else:
        go_on = f"; go on with `{way_on(arguments, 'resume', course.run)}`" if course.run else ""
        said = f"stopped; nothing recorded is lost{go_on}"
    sys.stderr.write(f"{said}\n")
    return stopped.exit_code
