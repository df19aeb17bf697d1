"""`somagent backup`: the data directory a second time."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from somagent.cli.printing import print_json, visible
from somagent.cli.runs import check_kept_in_file, data_directory
from somagent.workflows.engines.local.upkeep import back_up


def run(arguments: Namespace) -> int:
    """Exit 0 when all of it is on the disk under the folder's name."""
    check_kept_in_file(arguments)
    folder = Path(arguments.folder)
    made = back_up(data_directory(arguments), folder)
    if arguments.output == "json":
        print_json({"folder": str(folder), "runs": made.runs, "files": made.files, "bytes": made.size})
        return 0
    runs = f"{made.runs:,} run{'' if made.runs == 1 else 's'}"
    print(f"backed up {runs} and {made.files:,} files of content to {visible(str(folder))}")
    print(f"it is a data directory of its own: somagent runs --data-dir {visible(str(folder))}")
    return 0
