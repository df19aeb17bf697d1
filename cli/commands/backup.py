"""`somagent backup`: the data directory a second time."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from somagent.cli.engines import LOCAL, engine_named, runs_address
from somagent.cli.exits import UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import store_of
from somagent.workflows.engines.local.upkeep import DUMP_NAME, back_up


def run(arguments: Namespace) -> int:
    """Exit 0 when all of it is on the disk under the folder's name."""
    if engine_named(arguments) != LOCAL:
        runs = runs_address(arguments, "where the runs are")
        raise UserError(
            f"runs at {runs} are not copied by this program: turn on the store's own versioning or replication, or copy"
            " `runs/`, then `contents/` and `aside/`, with the store's own tools; the copy is read with"
            f" `--engine {engine_named(arguments)} --runs COPY`, a folder or another bucket"
        )
    folder = Path(arguments.folder)
    made = back_up(store_of(arguments), folder)
    if arguments.output == "json":
        print_json({"folder": str(folder), "runs": made.runs, "files": made.files, "bytes": made.size})
        return 0
    runs = f"{made.runs:,} run{'' if made.runs == 1 else 's'}"
    print(f"backed up {runs} and {made.files:,} files of content to {visible(str(folder))}")
    dump = folder / DUMP_NAME
    if dump.exists():
        print(
            f"the rows are in {visible(str(dump))}; to use it: pg_restore --no-owner --dbname=URL {visible(str(dump))}"
        )
    else:
        print(f"it is a data directory of its own: somagent runs --data-dir {visible(str(folder))}")
    return 0
