"""`somagent runs`: the runs of this data directory, newest first."""

from __future__ import annotations

from argparse import Namespace

from somagent.cli.printing import MARKS, between, print_json, visible
from somagent.cli.runs import open_engine


def run(arguments: Namespace) -> int:
    """Prints a table, or a list of objects."""
    runs = list(open_engine(arguments).runs(children=arguments.all))
    if arguments.limit > 0:
        runs = runs[: arguments.limit]
    if arguments.output == "json":
        shown = [
            {
                "id": one.id,
                "capsule": one.capsule,
                "phase": one.phase,
                "submitter": one.submitter,
                "createdAt": one.created_at,
                "endedAt": one.ended_at,
            }
            for one in runs
        ]
        print_json(shown)
        return 0
    if not runs:
        print("no runs here yet; `somagent run CAPSULE` starts one")
    name = max((len(one.id) for one in runs), default=0)
    capsule = max((len(one.capsule) for one in runs), default=0)
    for one in runs:
        length = between(one.created_at, one.ended_at)
        started = one.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        line = (
            f"{MARKS[one.phase][0]} {one.id:<{name}}  {one.capsule:<{capsule}}  {one.phase:<9}  {started}  {length:>8}"
        )
        print(visible(line.rstrip()))
    return 0
