"""What people write down about runs: new ones, decisions and cancellations. No lease is needed for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.plan import digest_of
from somagent.operators.answers import answer_fault
from somagent.operators.deciding import Outcome, approvals_of, objection, outcome, question_of
from somagent.operators.names import person
from somagent.operators.runner.folders import make_lasting
from somagent.operators.runner.records import Decision, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local import audit
from somagent.workflows.engines.local.rows import decode_attempt, decode_decision, encode
from somagent.workflows.engines.local.store import Db
from somagent.workflows.engines.protocol import DecisionRefused, EngineError


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
) -> str:
    """Writes a new run with its plan and with what it takes over; returns the id that it gives it."""
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


def write_decision(db: Db, run: RunRecord, decision: Decision, show: str) -> None:
    """Checks and writes a decision in one transaction; raises `DecisionRefused`. `show` is how to look at the run."""
    key = StepKey(run.id, decision.step, decision.item)
    ended = db.execute("SELECT phase FROM results WHERE run = ? AND step = ? AND item = ?", key).fetchone()
    if ended is not None:
        raise DecisionRefused(f"step `{decision.step}` does not wait any more: it is {ended[0]}")
    query = "SELECT record FROM attempts WHERE run = ? AND step = ? AND item = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(query, key).fetchone()
    last = decode_attempt(row[0]) if row else None
    # A step that is looking at an earlier decision at this moment may park again, so it still asks.
    waiting = (last.waiting or (last.asked if last.ended_at is None else None)) if last else None
    if waiting is None:
        raise DecisionRefused(f"step `{decision.step}` does not wait for a decision ({show})")
    if waiting.child:
        raise DecisionRefused(f"step `{decision.step}` waits for a step inside its capsule: {waiting.title}")
    decision = replace(decision, question=decision.question or question_of(waiting))
    query = "SELECT record FROM decisions WHERE run = ? AND step = ? AND item = ? ORDER BY seq"
    earlier = [decode_decision(row[0]) for row in db.execute(query, key)]
    # Each counts after those before it, also when the clock of this process is behind.
    decision = replace(decision, at=max([decision.at, *(one.at for one in earlier)]))
    end = outcome(waiting, earlier, submitter=run.submitter, now=decision.at)
    why = _closed(db, key, end) or objection(waiting, decision, run.submitter)
    why = why or answer_fault(waiting, decision, approvals_of(waiting, earlier, run.submitter))
    if why:
        raise DecisionRefused(why)
    if not _insert(db, run.id, decision):
        raise DecisionRefused(f"{decision.by} has decided on step `{decision.step}` already; it takes another person")
    audit.decided(db, run.id, decision)


def _closed(db: Db, key: StepKey, end: Outcome | None) -> str:
    """Why nobody can decide any more although nobody has gone on with the run yet; empty when somebody can."""
    top = key.run.partition(".")[0]
    stopped = db.execute("SELECT person FROM cancels WHERE run = ?", (top,)).fetchone()
    if stopped is not None:
        return f"{top} was cancelled by {stopped[0]}"
    if end is None or end.kind == "timed_out":  # which the objection says with the time
        return ""
    return f"step `{key.step}` is decided: {end.kind} by {', '.join(one.by for one in end.deciding)}"


def check_whole(run: RunRecord) -> None:
    """Raises `EngineError` for a run that is part of another one: only the whole is gone on with, or stopped."""
    if run.parent is not None:
        top = run.id.partition(".")[0]
        raise EngineError(f"{run.id} is a part of {top}; name that run instead")


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
