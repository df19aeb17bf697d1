"""What people write down about runs: new ones, decisions and cancellations. No lease is needed for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.plan import digest_of
from somagent.operators.names import person
from somagent.operators.runner.folders import make_lasting
from somagent.operators.runner.records import Decision, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local import audit
from somagent.workflows.engines.local.rows import decode_attempt, decode_decision, encode
from somagent.workflows.engines.local.store import Db
from somagent.workflows.engines.protocol import EngineError, UnknownRun
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.engines.weighing import decided_already, weighed


def prepare(directory: Path) -> None:
    """Makes the data directory; it is not for version control."""
    make_lasting(directory)
    ignore = directory / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


def write_run(
    db: Db,
    run: RunRecord,
    plan: bytes,
    *,
    token: Callable[[], str],
    results: Sequence[StepResult] = (),
    decisions: Sequence[Decision] = (),
    stands_on: str = "",
) -> str:
    """Writes a new run with its plan and with what it takes over; returns the id that it gives it.

    The run that it stands on must be there: with it, its files may have gone. Raises `UnknownRun`.
    """
    if stands_on and db.execute("SELECT 1 FROM runs WHERE id = ?", (stands_on,)).fetchone() is None:
        raise UnknownRun(f"{stands_on} was removed meanwhile")
    run = replace(run, id=_free_id(db, run.created_at, token))
    _write(db, run, plan, results, decisions)
    audit.submitted(db, run)
    return run.id


def _write(
    db: Db,
    run: RunRecord,
    plan: bytes,
    results: Sequence[StepResult],
    decisions: Sequence[Decision],
) -> None:
    stored = digest_of(plan)
    db.execute("INSERT INTO plans VALUES (?, ?) ON CONFLICT DO NOTHING", (stored, plan))
    insert = "INSERT INTO runs (id, plan, record, phase) VALUES (?, ?, ?, 'Pending')"
    db.execute(insert, (run.id, stored, encode(run)))
    for result in results:
        key = result.key._replace(run=run.id)
        row = (*key, result.phase, encode(replace(result, key=key)))
        db.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?)", row)
    for decision in decisions:
        _insert(db, run.id, decision)


def write_child(
    db: Db,
    run: RunRecord,
    plan: bytes,
    *,
    results: Sequence[StepResult] = (),
    decisions: Sequence[Decision] = (),
) -> str:
    """Writes the run of a step's capsule, whose id is known; when it is there already nothing is changed."""
    assert run.parent is not None  # noqa: S101 - it is what makes it a child
    link = "INSERT INTO children (run, parent, step, item) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    if db.execute(link, (run.id, run.parent.run, run.parent.step, run.parent.item)).rowcount:
        _write(db, run, plan, results, decisions)
        copy = "INSERT INTO spends SELECT ?, step, tokens, cost FROM spends WHERE run = ?"
        db.execute(copy, (run.id, run.retry_of))  # what a step saw stays what it sees
    return run.id


def write_decision(db: Db, run: RunRecord, decision: Decision, show: str, *, at_the_end: bool) -> None:
    """Checks and writes a decision in one transaction; raises `DecisionRefused`. `show` is how to look at the run.

    `at_the_end`: the step is a part of `finally`, and goes on in a run that was cancelled.
    """
    key = StepKey(run.id, decision.step, decision.item)
    ended = db.execute("SELECT phase FROM results WHERE run = ? AND step = ? AND item = ?", key).fetchone()
    query = "SELECT record FROM attempts WHERE run = ? AND step = ? AND item = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(query, key).fetchone()
    query = "SELECT record FROM decisions WHERE run = ? AND step = ? AND item = ? ORDER BY seq"
    earlier = [decode_decision(row[0]) for row in db.execute(query, key)]
    stopped = db.execute("SELECT person FROM cancels WHERE run = ?", (top_of(run.id),)).fetchone()
    decision = weighed(
        decision,
        run=run,
        ended=ended[0] if ended else None,
        last=decode_attempt(row[0]) if row else None,
        earlier=earlier,
        cancelled_by=stopped[0] if stopped and not at_the_end else "",
        show=show,
    )
    if not _insert(db, run.id, decision):  # at this moment, by another process
        raise decided_already(decision)
    audit.decided(db, run.id, decision)


def check_whole(run: RunRecord) -> None:
    """Raises `EngineError` for a run that is part of another one: only the whole is gone on with, or stopped."""
    if run.parent is not None:
        raise EngineError(f"{run.id} is a part of {top_of(run.id)}; name that run instead")


def write_cancel(db: Db, run_id: str, by: str, at: datetime) -> None:
    """Asks the run to stop; raises `EngineError` when it has ended."""
    phase, ended_at = db.execute("SELECT phase, ended_at FROM runs WHERE id = ?", (run_id,)).fetchone()
    if ended_at is not None:
        raise EngineError(f"{run_id} cannot be cancelled, it has ended: {phase}")
    insert = "INSERT INTO cancels VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    if db.execute(insert, (run_id, by, at.isoformat())).rowcount:
        audit.cancelled(db, run_id, by, at)


def _insert(db: Db, run_id: str, decision: Decision) -> bool:
    insert = (
        "INSERT INTO decisions (run, step, item, question, person, record) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING"
    )
    row = (run_id, decision.step, decision.item, decision.question, person(decision.by), encode(decision))
    return db.execute(insert, row).rowcount > 0


def _free_id(db: Db, at: datetime, token: Callable[[], str]) -> str:
    """Sorts by minute, is short enough to type, and is new."""
    while True:
        run_id = f"r-{at:%Y%m%d-%H%M}-{token()}"
        if db.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is None:
            return run_id
