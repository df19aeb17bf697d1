"""`somagent runs`: the runs of this data directory, newest first."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import datetime

from somagent.cli.engines import LOCAL, engine_named
from somagent.cli.exits import Exit
from somagent.cli.printing import MARKS, between, print_json, printable, visible
from somagent.cli.runs import open_engine, store_of
from somagent.workflows.asked import waiting_for_people as asked_elsewhere
from somagent.workflows.engines.local.reading import damaged, waiting_for_people


def run(arguments: Namespace) -> int:
    """Prints a table, or a list of objects; exit 5 when a run is left out because it cannot be read."""
    shown = _waiting(arguments) if arguments.waiting else _listed(arguments)
    wrong = damaged(store_of(arguments)) if engine_named(arguments) == LOCAL else []
    for one in wrong:
        sys.stderr.write(f"error: {visible(str(one))}\n")
    return Exit.STORAGE if wrong else shown


def _listed(arguments: Namespace) -> int:
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


def _waiting(arguments: Namespace) -> int:
    """Prints the questions that people have not answered, the oldest first."""
    elsewhere = engine_named(arguments) != LOCAL
    asked = asked_elsewhere(open_engine(arguments)) if elsewhere else waiting_for_people(store_of(arguments))
    if arguments.limit > 0:
        asked = asked[: arguments.limit]
    if arguments.output == "json":
        shown = [
            {
                "run": one.run.id,
                "capsule": one.run.capsule,
                "submitter": one.run.submitter,
                "step": one.step,
                "title": one.waiting.title,
                "users": one.waiting.users,
                "groups": one.waiting.groups,
                "count": one.waiting.count,
                "approvedBy": list(one.approved),
                "since": one.since,
                "due": one.waiting.due,
                "onTimeout": one.waiting.on_timeout,
            }
            for one in asked
        ]
        print_json(shown)
        return 0
    if not asked:
        print("nobody is waited for")
    for one in asked:
        waiting = one.waiting
        until = f", until {_time(waiting.due)} (then: {waiting.on_timeout})" if waiting.due is not None else ""
        given = f"; {len(one.approved)} of {waiting.count} approvals" if waiting.count > 1 else ""
        by = f" ({', '.join(one.approved)})" if one.approved else ""
        print(f"? {one.run.id} {one.step}: {printable(waiting.title)}")
        print(f"    since {_time(one.since)}{until}: {printable(one.who + given + by, 300)}")
    return 0


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
