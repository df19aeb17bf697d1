"""`somagent doctor`: what is broken in a data directory or at a bucket, and what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from somagent.cli.engines import LOCAL, engine_named, open_elsewhere
from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import data_directory, store_of
from somagent.workflows.engines.findings import Finding
from somagent.workflows.engines.local.upkeep import examine

_MARKS = {"good": "✓", "note": "!", "broken": "✗"}


def run(arguments: Namespace) -> int:
    """Exit 1 when something is broken."""
    found: list[Finding] = []
    for one in _examined(arguments):
        found.append(one)
        if arguments.output == "text":
            print(f"{_MARKS[one.state]} {visible(one.about)}: {visible(one.said)}")
            if one.way_out and one.state != "good":
                print(f"    {visible(one.way_out)}")
    if arguments.output == "json":
        print_json([one._asdict() for one in found])
    return Exit.FAILED if any(one.state == "broken" for one in found) else Exit.OK


def _examined(arguments: Namespace) -> Iterator[Finding]:
    if engine_named(arguments) != LOCAL:
        return open_elsewhere(arguments, {}).examine(whole=not arguments.quick)
    directory = data_directory(arguments)
    if not directory.is_dir():
        raise UserError(f"there is no data directory at {directory}; `somagent run CAPSULE` makes one")
    return examine(store_of(arguments), contents=not arguments.quick)
