"""`somagent run`: compile, submit, work, show."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from somagent.cli.compiling import installed, planned
from somagent.cli.given import given_inputs
from somagent.cli.identity import acting, proof
from somagent.cli.interrupted import offered
from somagent.cli.runs import open_engine
from somagent.cli.working import begin
from somagent.workflows import capsules
from somagent.workflows.inputs import accept_inputs
from somagent.workflows.pursuing import is_held_here


def run(arguments: Namespace) -> int:
    """Exit code by the run's phase."""
    installation = installed(locked=arguments.locked)
    submitter = acting(arguments).name
    path = capsules.find_capsule(arguments.capsule)
    plan, compilation = planned(arguments, installation)
    engine = open_engine(arguments, installation.operators)
    engine.check(plan)
    inputs = accept_inputs(plan, given_inputs(arguments, plan), Path.cwd(), here=engine.is_here)

    async def start() -> str:
        if not arguments.detach and await is_held_here(engine):
            chosen = await offered(engine, plan, inputs, submitter, arguments)
            if chosen is not None:
                return chosen
        source = "" if arguments.capsule == "-" else str(path.resolve())
        files, token = compilation.contents, proof(arguments)
        return await engine.submit(plan, inputs, submitter=submitter, files=files, source=source, token=token)

    return begin(engine, start, arguments)
