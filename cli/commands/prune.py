"""`somagent prune`: what ended long ago goes."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from somagent.cli.durations import seconds
from somagent.cli.exits import UserError
from somagent.cli.printing import print_json
from somagent.cli.runs import store_of
from somagent.workflows.engines.local.upkeep import prune


def run(arguments: Namespace) -> int:
    """Removes, or with `--dry-run` only says; exit 0."""
    try:
        before = datetime.now(UTC) - timedelta(seconds=seconds(arguments.older_than, "--older-than"))
    except OverflowError:
        raise UserError(f"`--older-than {arguments.older_than}` is before all times; nothing is that old") from None
    done = prune(store_of(arguments), before, arguments.keep, dry_run=arguments.dry_run)
    if arguments.output == "json":
        print_json({"runs": done.runs, "files": done.files, "bytes": done.size, "dryRun": arguments.dry_run})
        return 0
    for name in done.runs:
        print(name)
    verb = "would go" if arguments.dry_run else "gone"
    runs, files = _many(len(done.runs), "run"), _many(done.files, "file")
    sys.stdout.flush()
    sys.stderr.write(f"{verb}: {runs} and {files} ({done.size:,} bytes)\n")
    return 0


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
