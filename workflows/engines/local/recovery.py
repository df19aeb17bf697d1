"""After a crash the rows are the truth: what is recorded stays, what was open is closed as cut off.

Nothing is replayed. A step whose attempt was cut off has no result, so it gets a new attempt with the same idempotency
key; how far a run is, is what its rows say.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from msgspec.structs import replace

from somagent.operators.runner.records import Failure
from somagent.workflows.engines.local.rows import decode_attempt, encode


def take_epoch(db: sqlite3.Connection) -> int:
    """Starts the next lease; whoever still writes under an older one is refused from here on."""
    db.execute("UPDATE lease SET epoch = epoch + 1")
    return int(db.execute("SELECT epoch FROM lease").fetchone()[0])


def recover(db: sqlite3.Connection, now: datetime, why: str, run_id: str | None = None) -> None:
    """Closes open attempts that nobody is at work on any more, of one run or of all; they count as cut off.

    Only who holds the lease may call it.
    """
    rows = db.execute(
        "SELECT attempts.seq, attempts.record FROM runs JOIN attempts ON attempts.run = runs.id "
        "WHERE runs.ended_at IS NULL AND attempts.open AND coalesce(?, runs.id) = runs.id",
        (run_id,),
    ).fetchall()
    for seq, record in rows:
        attempt = decode_attempt(record)
        closed = replace(
            attempt,
            ended_at=max(now, attempt.started_at),
            phase="Failed",
            failure=Failure(failure_class="cut_off", message=why),
        )
        db.execute("UPDATE attempts SET open = 0, record = ? WHERE seq = ?", (encode(closed), seq))
