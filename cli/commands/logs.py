"""`somagent logs`: what steps wrote."""

from __future__ import annotations

import re
import sys
from argparse import Namespace

from somagent.cli.exits import UserError
from somagent.cli.printing import print_json
from somagent.cli.runs import find_run, open_engine
from somagent.operators.runner.records import NO_ITEM, StepKey

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


def run(arguments: Namespace) -> int:
    """Prints logs in the order in which attempts began, each line with its step."""
    engine = open_engine(arguments)
    run_id = find_run(engine, arguments.run)
    steps = [step.id for step in engine.view(run_id).steps]
    if arguments.step is not None and arguments.step not in steps:
        raise UserError(f"the run has no step `{arguments.step}`; its steps: {', '.join(steps)}")
    chunks = list(engine.logs(run_id, arguments.step))
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
            sys.stdout.write(f"{prefix} | {_safe(line)}\n")
    return 0


def _prefix(key: StepKey, attempt: int) -> str:
    item = "" if key.item == NO_ITEM else f"/{key.item}"
    return f"{key.step}{item}" + (f" #{attempt}" if attempt > 1 else "")


def _safe(line: str) -> str:
    """A step's output cannot send commands to the terminal."""
    if not sys.stdout.isatty():
        return line
    plain = _ESCAPES.sub("", line)
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in plain)
