"""Working on a run from a terminal or a pipe: the live view, questions to people, Ctrl-C, and the end."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence

from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.cli.asking import answer_to, ask_people
from somagent.cli.exits import Exit, exit_of
from somagent.cli.printing import print_json
from somagent.cli.progress import Progress, progress_for
from somagent.cli.runs import contents_of, data_directory, run_object
from somagent.cli.summary import print_summary
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import RunSummary, RunView

_UNFINISHED = {"Pending", "Running"}


def work(engine: LocalEngine, start: Callable[[], Awaitable[str]], arguments: Namespace) -> int:
    """Starts or finds a run with `start`, works on it until it ends or parks, and shows it."""
    gc.enable()
    started: list[str] = []
    stopped_by: list[signal.Signals] = []

    async def main() -> RunView:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, task, number, stopped_by)
        async with engine:
            run_id = await start()
            started.append(run_id)
            while True:
                view = await _watched(engine, run_id, progress_for(engine.view(run_id), arguments.output))
                if view.phase != "Waiting" or not await ask_people(engine, view):
                    return view

    try:
        view = asyncio.run(main())
    except asyncio.CancelledError:
        return _stopped(started, stopped_by)
    return finish(engine, view, arguments)


def finish(engine: LocalEngine, view: RunView, arguments: Namespace) -> int:
    """Writes the report, shows the run, and gives the exit code."""
    report = ""
    try:
        report = write_run_report(engine, view, arguments)
    except OSError as error:  # the run is what counts; its report can be written at any time
        sys.stderr.write(f"warning: no report was written: {error.strerror}; try `somagent report {view.run.id}`\n")
    if arguments.output == "json":
        print_json(run_object(view) | {"report": report})
    else:
        print_summary(view, report)
    return exit_of(view.phase)


def write_run_report(engine: LocalEngine, view: RunView, arguments: Namespace, to: str | None = None) -> str:
    """Writes the HTML report and returns its path."""
    from pathlib import Path  # noqa: PLC0415

    from somagent.workflows.report import write_report  # noqa: PLC0415  needed at the end only

    path = Path(to) if to else data_directory(arguments) / "reports" / f"{view.run.id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_report(view, path, contents=contents_of(arguments), logs=engine.logs(view.run.id))
    return str(path)


def interrupted_runs(engine: LocalEngine, plan: Plan) -> Sequence[RunSummary]:
    """Earlier runs of the same plan that were cut off; the engine holds the data directory, so nobody works on them."""
    digest = plan_digest(plan)
    candidates = [run for run in engine.runs() if run.phase in _UNFINISHED and run.capsule == plan.capsule.name]
    return [run for run in candidates if engine.view(run.id).run.plan_digest == digest]


async def offer_interrupted(earlier: Sequence[RunSummary], output: str) -> str | None:
    """Asks whether to go on with an interrupted run; without a terminal it is only said. None: start a new one."""
    if not earlier:
        return None
    run = earlier[0]
    if output == "text" and sys.stdin.isatty() and sys.stderr.isatty():
        answer = await answer_to(f"run {run.id} of this capsule was interrupted; go on with it? [Y/n] ")
        return run.id if answer in {"", "y", "yes"} else None
    sys.stderr.write(
        f"note: run {run.id} of this capsule was interrupted; `somagent resume {run.id}` goes on with it\n"
    )
    return None


async def _watched(engine: LocalEngine, run_id: str, progress: Progress) -> RunView:
    events = engine.watch(run_id)

    async def follow() -> None:
        async for event in events:
            progress.tell(event)

    follower = asyncio.create_task(follow())
    with progress:
        try:
            return await engine.run(run_id)
        finally:
            await asyncio.sleep(0)
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


def _stop(task: asyncio.Task[RunView] | None, number: signal.Signals, stopped_by: list[signal.Signals]) -> None:
    stopped_by.append(number)
    if task is not None:
        task.cancel()


def _stopped(started: list[str], stopped_by: list[signal.Signals]) -> int:
    way_on = f"; go on with `somagent resume {started[0]}`" if started else ""
    sys.stderr.write(f"stopped; nothing recorded is lost{way_on}\n")
    return Exit.TERMINATED if signal.SIGTERM in stopped_by else Exit.INTERRUPTED
