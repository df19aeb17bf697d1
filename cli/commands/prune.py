"""`somagent prune`: what ended long ago goes."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from somagent.cli.durations import seconds
from somagent.cli.engines import LOCAL, engine_named, open_elsewhere
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
    if engine_named(arguments) != LOCAL:
        return _elsewhere(arguments, before)
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


def _elsewhere(arguments: Namespace, before: datetime) -> int:
    """Of runs at a bucket. What their engine itself has of them stays with it."""
    done = open_elsewhere(arguments, {}).prune(before, arguments.keep, dry_run=arguments.dry_run)
    if arguments.output == "json":
        print_json(
            {
                "runs": done.runs,
                "objects": done.objects,
                "bytes": done.size,
                "aside": done.aside,
                "dryRun": arguments.dry_run,
            }
        )
        return 0
    for name in done.runs:
        print(name)
    sys.stdout.flush()
    verb = "would go" if arguments.dry_run else "gone"
    runs, objects = _many(len(done.runs), "run"), _many(done.objects, "object")
    sys.stderr.write(f"{verb}: {runs} and {objects} ({done.size:,} bytes)\n")
    if done.aside:
        moved = "would be moved aside" if arguments.dry_run else "moved aside"
        sys.stderr.write(
            f"{moved}: {_many(done.aside, 'piece')} of content that no run stands on; a `prune` in an hour or later"
            " deletes them\n"
        )
    if done.runs and engine_named(arguments) == "argo":
        sys.stderr.write(
            "note: their Workflows stay in the cluster until Argo's own `ttlStrategy`, or you, remove them\n"
        )
    return 0


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
