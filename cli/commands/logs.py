"""`somagent logs`: what steps wrote."""

from __future__ import annotations

import re
import sys
from argparse import Namespace

from somagent.cli.exits import UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import find_run, open_engine, step_key
from somagent.operators.runner.records import NO_ITEM, StepKey

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


def run(arguments: Namespace) -> int:
    """Prints logs in the order in which attempts began, each line with its step; as JSON, as they were written."""
    engine = open_engine(arguments)
    run_id = find_run(engine, arguments.run)
    step, item = step_key(arguments.step) if arguments.step is not None else (None, NO_ITEM)
    steps = [step.id for step in engine.view(run_id).steps]
    if step is not None and step not in steps:
        raise UserError(f"the run has no step `{step}`; its steps: {', '.join(steps)}")
    chunks = [one for one in engine.logs(run_id, step) if item in {NO_ITEM, one.key.item}]
    if arguments.output == "json":
        print_json(
            [
                {
                    "step": one.key.step,
                    "item": None if one.key.item == NO_ITEM else one.key.item,
                    "attempt": one.attempt,
                    "text": one.text,
                }
                for one in chunks
            ]
        )
        return 0
    if not chunks:
        who = f"step `{arguments.step}`" if arguments.step else "the run"
        sys.stderr.write(f"{who} wrote nothing\n")
    for one in chunks:
        prefix = _prefix(one.key, one.attempt)
        for line in one.text.splitlines():
            sys.stdout.write(f"{prefix} | {visible(_ESCAPES.sub('', line))}\n")
    return 0


def _prefix(key: StepKey, attempt: int) -> str:
    item = "" if key.item == NO_ITEM else f"/{key.item}"
    return f"{key.step}{item}" + (f" #{attempt}" if attempt > 1 else "")
