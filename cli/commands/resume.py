"""`somagent resume`: go on with a run that was interrupted or is parked."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.compiling import installed
from somagent.cli.runs import open_engine
from somagent.cli.working import work
from somagent.workflows.engines.run_names import find_run


def run(arguments: Namespace) -> int:
    """Exit code by the run's phase; a run that has ended is shown as it is."""
    engine = open_engine(arguments, installed().operators)
    run_id = find_run(engine, arguments.run)

    async def start() -> str:
        await engine.go_on(run_id)
        return run_id

    return work(engine, start, arguments, run_id)
