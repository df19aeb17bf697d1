"""`somagent cancel`: stop a run; what is recorded stays, `finally` still runs."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from somagent.cli.exits import Exit
from somagent.cli.printing import print_json
from somagent.cli.runs import find_run, open_engine, run_object
from somagent.cli.working import work
from somagent.workflows import capsules
from somagent.workflows.accounts import account


def run(arguments: Namespace) -> int:
    """Exit 0 when the run is cancelled or will be by the process that works on it."""
    engine = open_engine(arguments, capsules.this_installation().operators)
    run_id = find_run(engine, arguments.run)
    asyncio.run(engine.cancel(run_id, by=arguments.person or account()))
    view = engine.view(run_id)
    if view.held_by is not None:
        engine.close()
        if arguments.output == "json":
            print_json(run_object(view))
        else:
            print(f"asked process {view.held_by} to stop {run_id}")
        return Exit.OK

    async def start() -> str:
        return run_id

    exit_code = work(engine, start, arguments)
    return Exit.OK if exit_code == Exit.CANCELLED else exit_code
