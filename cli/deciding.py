"""Decisions from the command line: written down first, then the run goes on."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from datetime import UTC, datetime

from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import print_json
from somagent.cli.runs import find_run, open_engine, run_object
from somagent.cli.working import work
from somagent.operators.runner.records import NO_ITEM, Decision
from somagent.workflows import capsules
from somagent.workflows.accounts import account


def decide(arguments: Namespace, *, approve: bool) -> int:
    """Writes the decision down; unless another process works on the run, goes on with it here.

    Exit code by the run's phase; of a rejection that made the run fail, as it should, 0.
    """
    engine = open_engine(arguments, capsules.this_installation().operators)
    run_id = find_run(engine, arguments.run)
    step, item = _step(arguments.step)
    decision = Decision(
        step=step,
        item=item,
        by=arguments.person,
        groups=arguments.group,
        account=account(),
        approve=approve,
        comment=arguments.comment,
        at=datetime.now(UTC),
    )
    asyncio.run(engine.signal(run_id, decision))
    view = engine.view(run_id)
    word = "approved" if approve else "rejected"
    if arguments.no_resume or view.held_by is not None:
        engine.close()
        if arguments.output == "json":
            print_json(run_object(view))
        else:
            way_on = f"process {view.held_by} goes on" if view.held_by else f"go on: somagent resume {run_id}"
            print(f"{word} {arguments.step} as {arguments.person}; {way_on}")
        return Exit.OK
    if arguments.output == "text":
        print(f"{word} {arguments.step} as {arguments.person}; the run goes on here")

    async def start() -> str:
        return run_id

    exit_code = work(engine, start, arguments)
    return Exit.OK if not approve and exit_code == Exit.FAILED else exit_code


def _step(text: str) -> tuple[str, int]:
    step, slash, item = text.partition("/")
    if slash and not item.isdigit():
        raise UserError(f"`{text}` names no item; write STEP or STEP/ITEM with the item's number from 0")
    return step, int(item) if slash else NO_ITEM
