"""`somagent rerun`: the same plan and inputs once more, from the beginning."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.compiling import installed
from somagent.cli.identity import proof, starting
from somagent.cli.runs import open_engine
from somagent.cli.working import begin
from somagent.workflows.engines.run_names import find_run


def run(arguments: Namespace) -> int:
    """Exit code by the new run's phase."""
    engine = open_engine(arguments, installed().operators)
    run_id = find_run(engine, arguments.run)

    submitter = starting(arguments)

    async def start() -> str:
        return await engine.rerun(run_id, submitter=submitter, token=proof(arguments))

    return begin(engine, start, arguments)
