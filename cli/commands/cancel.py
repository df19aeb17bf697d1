"""`somagent cancel`: stop a run; what is recorded stays, `finally` still runs."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from somagent.cli.compiling import installed
from somagent.cli.deciding import written_down
from somagent.cli.exits import Exit
from somagent.cli.identity import acting, proof
from somagent.cli.runs import open_engine
from somagent.cli.streams import endure
from somagent.cli.working import work
from somagent.workflows.engines.protocol import DataDirectoryHeld
from somagent.workflows.engines.run_names import find_run


def run(arguments: Namespace) -> int:
    """Exit 0 when the run is cancelled or will be by the process that works on it."""
    engine = open_engine(arguments, installed().operators)
    run_id = find_run(engine, arguments.run)
    asyncio.run(engine.cancel(run_id, by=acting(arguments).name, token=proof(arguments)))
    endure()
    view = engine.view(run_id)
    if view.held_by is not None:
        return written_down(engine, view, f"asked process {view.held_by} to stop {run_id}", arguments)

    async def start() -> str:
        await engine.hold()
        return run_id

    try:
        exit_code = work(engine, start, arguments)
    except DataDirectoryHeld:
        return written_down(engine, engine.view(run_id), f"asked {run_id} to stop", arguments)
    return Exit.OK if exit_code == Exit.CANCELLED else exit_code
