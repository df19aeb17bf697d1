"""The local ledger: reads are answered from the file at once, writes go to the one writer.

An attempt's beginning is committed without waiting for the disk: it outlives the process, which is what it is a
statement about, and the disk gets it with the next commit that waits. What guards a result or money waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.ledger import Account, AttemptHeld, Exceeded
from somagent.operators.runner.records import Attempt, Decision, Failure, RunRecord, StepKey, StepResult
from somagent.operators.runner.succession import after
from somagent.workflows.engines import events
from somagent.workflows.engines.local import budgets as budget_rows
from somagent.workflows.engines.local.rows import Rows, decode_attempt, decode_result, encode
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Db, Store
from somagent.workflows.engines.local.writer import Crash, Writer, survive
from somagent.workflows.engines.protocol import Event, UnknownRun


class Journal:
    """The journal of a data directory, open for writing; the `Ledger` of its runs, where its methods are described."""

    def __init__(
        self, place: Path | Store, tell: Callable[[Event], None] = lambda _: None, crash: Crash = survive
    ) -> None:
        """`tell` gets every event after it was committed."""
        store = store_at(place)
        writer = Writer(store, crash)
        self.writer, self.write = writer, writer.write
        self.rows = Rows(store)
        self.contents = Contents(store.directory / "contents")
        self._tell = tell

    def close(self) -> None:
        self.rows.close()
        self.writer.close()  # last, so that SQLite moves the WAL into the file and removes it

    async def run(self, run_id: str) -> RunRecord:
        try:
            return self.rows.run(run_id).run
        except UnknownRun as error:
            raise KeyError(run_id) from error

    async def plan(self, run_id: str) -> Plan:
        return self.rows.plan(run_id)

    async def result(self, key: StepKey) -> StepResult | None:
        return self.rows.result(key)

    async def item_results(self, run_id: str, step: str) -> Sequence[StepResult]:
        return self.rows.item_results(run_id, step)

    async def started_at(self, run_id: str) -> datetime | None:
        return self.rows.run(run_id).started_at

    async def spent_until(self, key: StepKey) -> Amounts:
        return await self.write("spent", lambda db: budget_rows.spent_until(db, key))

    async def decisions(self, key: StepKey) -> Sequence[Decision]:
        return self.rows.decisions_on(key)

    async def begin(self, key: StepKey, at: datetime) -> Attempt | StepResult:
        begun = await self.write("begin", lambda db: _begin(db, key, at), flush=False)
        if isinstance(begun, Attempt):
            self._tell(events.begun(begun))
        return begun

    async def end(self, attempt: Attempt) -> None:
        await self.write("end", lambda db: _end(db, attempt))
        self._tell(events.left(attempt))

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        """Closes the attempt, else any that is open, and records the result; the first result of a key stays."""
        recorded = await self.write("record", lambda db: _record(db, attempt, result))
        self._tell(events.recorded(recorded, attempt.number if attempt else recorded.attempts))
        return recorded

    async def record_and_begin(
        self, attempt: Attempt | None, result: StepResult, following: Sequence[StepKey]
    ) -> tuple[StepResult, list[Attempt]]:
        recorded, begun = await self.write("record", lambda db: _record_and_begin(db, attempt, result, following))
        self._tell(events.recorded(recorded, attempt.number if attempt else recorded.attempts))
        for one in begun:
            self._tell(events.begun(one))
        return recorded, begun

    async def opened(self, key: StepKey, items: int, at: datetime) -> None:
        """Notes for people how many items a fan-out has; opening it again after a crash finds the same number."""
        insert = "INSERT INTO fan_outs VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self.write("open", lambda db: db.execute(insert, (key.run, key.step, items)).rowcount, flush=False)
        self._tell(events.opened(key.run, key.step, items, at))

    async def attempts(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        return self.rows.attempts(run_id, step) if item is None else self.rows.attempts_of(StepKey(run_id, step, item))

    async def work(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        return await self.attempts(run_id, step, item)  # one that waits for what is inside it is closed meanwhile

    async def is_open_inside(self, key: StepKey) -> bool:
        inside = self.rows.children_of(key)
        return bool(inside) and self.rows.run(inside[-1]).ended_at is None

    async def reserve(
        self, key: StepKey, amounts: Amounts, accounts: Sequence[Account], beyond: Container[str] = ()
    ) -> Sequence[Exceeded]:
        return await self.write("reserve", lambda db: budget_rows.reserve(db, key, amounts, accounts, beyond))


def cut_off(db: Db, runs: Iterable[str], at: datetime, why: str) -> None:
    """Closes open attempts of these runs, which one process worked on, and does not any more.

    They end `at` the last sign of it that is known; that it began one of them is a sign, too. This is all of recovery:
    what is recorded stays, nothing is replayed, and a step whose attempt was cut off gets a new one with the same
    idempotency key. Only who holds the lease may call it.
    """
    query = (
        "SELECT attempts.record FROM runs JOIN attempts ON attempts.run = runs.id "
        "WHERE runs.id = ? AND runs.ended_at IS NULL AND attempts.open = 1"
    )
    cut = [decode_attempt(record) for run_id in runs for (record,) in db.execute(query, (run_id,)).fetchall()]
    at = max((attempt.started_at for attempt in cut if attempt.started_at > at), default=at)
    failure = Failure(failure_class="cut_off", message=why)
    for attempt in cut:
        _close(db, replace(attempt, ended_at=at, phase="Failed", failure=failure))


def _begin(db: Db, key: StepKey, at: datetime) -> Attempt | StepResult:
    recorded = _recorded(db, key)
    if recorded is not None:
        return recorded
    insert = (
        "INSERT INTO attempts (run, step, item, number, open, record) VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT DO NOTHING"
    )
    attempt = Attempt(key=key, number=1, started_at=at)
    if db.execute(insert, (*key, 1, encode(attempt))).rowcount:
        return attempt
    query = "SELECT open, record FROM attempts WHERE run = ? AND step = ? AND item = ? ORDER BY number DESC LIMIT 1"
    still_open, record = db.execute(query, key).fetchone()
    last = decode_attempt(record)
    if still_open:
        raise AttemptHeld(f"attempt {last.number} of {key} is at work")
    attempt = after(last, at)
    db.execute(insert, (*key, attempt.number, encode(attempt)))
    return attempt


def _recorded(db: Db, key: StepKey) -> StepResult | None:
    row = db.execute("SELECT record FROM results WHERE run = ? AND step = ? AND item = ?", key).fetchone()
    return None if row is None else decode_result(row[0])


def _close(db: Db, attempt: Attempt) -> None:
    update = "UPDATE attempts SET open = 0, record = ? WHERE run = ? AND step = ? AND item = ? AND number = ?"
    db.execute(update, (encode(attempt), *attempt.key, attempt.number))


def _end(db: Db, attempt: Attempt) -> None:
    _close(db, attempt)
    budget_rows.settle(db, attempt.key, attempt.spent)


def _record(db: Db, attempt: Attempt | None, result: StepResult) -> StepResult:
    if attempt is None:
        query = "SELECT record FROM attempts WHERE run = ? AND step = ? AND item = ? AND open = 1"
        row = db.execute(query, result.key).fetchone()
        attempt = decode_attempt(row[0]) if row else None
    if result.given_up:
        budget_rows.settle(db, result.key, Amounts())
    if attempt is not None:
        if attempt.ended_at is None:
            attempt = replace(attempt, ended_at=result.ended_at, phase=result.phase, failure=result.failure)
        _end(db, attempt)
    insert = "INSERT INTO results VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    if db.execute(insert, (*result.key, result.phase, encode(result))).rowcount:
        return result
    return _recorded(db, result.key) or result


def _record_and_begin(
    db: Db, attempt: Attempt | None, result: StepResult, following: Sequence[StepKey]
) -> tuple[StepResult, list[Attempt]]:
    recorded = _record(db, attempt, result)
    begun = []
    for key in following if recorded.phase == "Succeeded" else ():
        with contextlib.suppress(AttemptHeld):
            one = _begin(db, key, recorded.ended_at)
            begun += [one] if isinstance(one, Attempt) else []
    return recorded, begun
