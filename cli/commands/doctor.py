"""`somagent doctor`: what is broken in a data directory, and what to do about it."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import data_directory, store_of
from somagent.workflows.engines.local.upkeep import Finding, examine

_MARKS = {"good": "✓", "note": "!", "broken": "✗"}


def run(arguments: Namespace) -> int:
    """Exit 1 when something is broken."""
    directory = data_directory(arguments)
    if not directory.is_dir():
        raise UserError(f"there is no data directory at {directory}; `somagent run CAPSULE` makes one")
    found: list[Finding] = []
    for one in examine(store_of(arguments), contents=not arguments.quick):
        found.append(one)
        if arguments.output == "text":
            print(f"{_MARKS[one.state]} {visible(one.about)}: {visible(one.said)}")
            if one.way_out and one.state != "good":
                print(f"    {visible(one.way_out)}")
    if arguments.output == "json":
        print_json([one._asdict() for one in found])
    return Exit.FAILED if any(one.state == "broken" for one in found) else Exit.OK
