"""`somagent retry`: a new run that takes over what can be kept of an old one, and says before what runs again."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed, planned
from somagent.cli.exits import Exit, UserError
from somagent.cli.given import given_inputs
from somagent.cli.identity import proof, starting
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import open_engine
from somagent.cli.way_on import way_on
from somagent.cli.working import begin
from somagent.workflows.capsules import Installation
from somagent.workflows.engines.run_names import find_run
from somagent.workflows.engines.taking_over import TakenOver
from somagent.workflows.inputs import accept_inputs


def run(arguments: Namespace) -> int:
    """Exit code by the new run's phase; with `--dry-run` 0."""
    installation = installed()
    engine = open_engine(arguments, installation.operators)
    run_id = find_run(engine, arguments.run)
    view = engine.view(run_id)
    plan, files = _plan(arguments, view.run.source, installation)
    inputs = _inputs(arguments, plan or view.plan, view.run.inputs, here=engine.is_here)
    submitter = starting(arguments)
    new = engine.taken_over(run_id, arguments.step, plan=plan, inputs=inputs, submitter=submitter)
    if not new.again and view.phase == "Succeeded":
        again = way_on(arguments, "rerun", run_id)
        raise UserError(
            f"nothing of {run_id} would run again: every step succeeded or was skipped, and is what it was; name one"
            f" with `--from STEP`, or begin anew with `{again}`"
        )
    if arguments.dry_run:
        _show(new, run_id, arguments)
        return Exit.OK
    if arguments.output == "text":
        _show(new, run_id, arguments)

    async def start() -> str:
        return await engine.retry_from(
            run_id, arguments.step, plan=plan, inputs=inputs, files=files, submitter=submitter, token=proof(arguments)
        )

    return begin(engine, start, arguments)


def _plan(arguments: Namespace, source: str, installation: Installation) -> tuple[Plan | None, Mapping[str, bytes]]:
    if arguments.with_plan is None:
        if arguments.constitution:
            raise UserError("`--constitution` governs a new plan: give `--with-plan` too")
        return None, {}
    if arguments.with_plan == "new" and not source:
        raise UserError("the run does not know where its capsule was; name the file: `--with-plan FILE`")
    arguments.capsule = source if arguments.with_plan == "new" else arguments.with_plan
    if arguments.with_plan == "new" and not Path(source).exists():
        raise UserError(f"the capsule of the run is not at {source} any more; name the file: `--with-plan FILE`")
    plan, compilation = planned(arguments, installation)
    return plan, compilation.contents


def _inputs(arguments: Namespace, plan: Plan, before: Mapping[str, Any], *, here: bool) -> dict[str, Any] | None:
    """Those of the run, and what is given instead; None when they are as they were."""
    given = given_inputs(arguments, plan)
    if not given and arguments.with_plan is None:
        return None
    kept = {name: before[name] for name in plan.inputs if name in before}
    return accept_inputs(plan, kept | given, Path.cwd(), here=here)


def _show(new: TakenOver, run_id: str, arguments: Namespace) -> None:
    if arguments.output == "json":
        again = [{"step": step, "because": why} for step, why in new.again.items()]
        print_json({"retryOf": run_id, "kept": new.kept, "again": again})
        return
    print(f"retry of {run_id}: {len(new.again)} of {len(new.plan.nodes)} steps run again")
    width = max(map(len, new.again), default=0)
    for step, why in new.again.items():
        print(f"  {visible(step):{width}}  {why}")
    if arguments.dry_run:
        sys.stdout.flush()
        sys.stderr.write("nothing was started (--dry-run)\n")
