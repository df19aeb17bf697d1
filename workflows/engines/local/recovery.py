"""After a death, or when a process was stopped for longer than its lease: what it left is ended and written down.

This is all of recovery: what is recorded stays, nothing is replayed, and a step whose attempt was cut off gets a new
one with the same idempotency key. That attempt ended with the last sign of who worked on it: nobody did afterwards,
however long it was until somebody went on.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path

from somagent.operators.operator import Operator
from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.orphans import end_orphans
from somagent.workflows.engines.local.journal import Journal, cut_off
from somagent.workflows.engines.local.store import Db


async def recover(
    journal: Journal,
    operators: Mapping[str, Operator],
    directory: Path,
    now: datetime,
    *,
    last_sign: Callable[[str], datetime | None],
    runs: Collection[str] = (),
) -> bool:
    """Ends what attempts of other leases left running, then closes those attempts as cut off: of these runs, or of all.

    `last_sign` is that of who worked on a run and those inside it; where it is not known, it may have been just now.
    In this order: if this process dies too, the next one finds them again. False when there was nothing.
    """
    orphans = [key for key in journal.rows.open_keys() if not runs or key.run.partition(".")[0] in runs]
    families: dict[str, set[str]] = defaultdict(set)
    for run_id in {key.run for key in orphans}:
        families[run_id.partition(".")[0]].add(run_id)
        keys, plan = (key for key in orphans if key.run == run_id), await journal.plan(run_id)
        await end_orphans(plan, keys, operators, directory / "work")
    # Without waiting for the disk: when the machine fails as well, the next one does it again.
    await journal.write("recover", lambda db: _cut_off(db, now, last_sign, families), flush=False)
    if runs:
        return bool(orphans)  # others are at work beside this process
    with contextlib.suppress(OSError):  # what an operator that is not here any more left may write there
        remove_tree(directory / "work")
    return bool(orphans)


def _cut_off(
    db: Db, now: datetime, last_sign: Callable[[str], datetime | None], families: Mapping[str, Collection[str]]
) -> None:
    for top, runs in families.items():
        cut_off(db, runs, min(last_sign(top) or now, now), "the process that ran it ended")
