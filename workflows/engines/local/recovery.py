"""After a death, or when a process was stopped for longer than its lease: what it left is ended and written down.

This is all of recovery: what is recorded stays, nothing is replayed, and a step whose attempt was cut off gets a new
one with the same idempotency key.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from somagent.operators.operator import Operator
from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.orphans import end_orphans
from somagent.workflows.engines.lease import Lease
from somagent.workflows.engines.local.journal import Journal, cut_off


def take_lease(db: sqlite3.Connection, lease: Lease) -> int:
    """Takes the lease and gives its epoch; from the commit on, the holder before writes nothing more."""
    lease.take()
    db.execute("UPDATE lease SET epoch = epoch + 1")
    return int(db.execute("SELECT epoch FROM lease").fetchone()[0])


async def recover(journal: Journal, operators: Mapping[str, Operator], directory: Path, now: datetime) -> None:
    """Ends what attempts of other leases left running, then closes those attempts as cut off.

    In this order: if this process dies too, the next one finds them again.
    """
    orphans = journal.rows.open_keys()
    for run_id in {key.run for key in orphans}:
        keys, plan = (key for key in orphans if key.run == run_id), await journal.plan(run_id)
        await end_orphans(plan, keys, operators, directory / "work")
    # Without waiting for the disk: when the machine fails as well, the next one does it again.
    await journal.write("recover", lambda db: cut_off(db, now, "the process that ran it ended"), flush=False)
    with contextlib.suppress(OSError):  # what an operator that is not here any more left may write there
        remove_tree(directory / "work")
