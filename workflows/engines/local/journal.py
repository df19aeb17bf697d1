"""The local ledger: reads are answered from the file at once, writes go to the one writer.

An attempt's beginning is committed without waiting for the disk: it outlives the process, which is what it is a
statement about, and the disk gets it with the next commit that waits. Everything else waits for the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Budget, Plan
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.ledger import AttemptHeld
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, FailureClass, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local import budgets as budget_rows
from somagent.workflows.engines.local.crash_points import Crash, survive
from somagent.workflows.engines.local.rows import Rows, decode_attempt, decode_result, encode
from somagent.workflows.engines.local.schema import FILE_NAME, open_reader
from somagent.workflows.engines.local.writer import Writer
from somagent.workflows.engines.protocol import Event, UnknownRun

T = TypeVar("T")

# Attempts that were ended from outside say nothing about the step.
_NOT_ITS_FAULT: frozenset[FailureClass] = frozenset({"cut_off", "cancelled"})
_REMEMBERED = 256  # results of whole steps that many items read again and again
_KEY = "run = ? AND step = ? AND item = ?"


class Journal:
    """The journal of a data directory, open for writing; the ledger of its runs."""

    def __init__(self, directory: Path, tell: Callable[[Event], None] = lambda _: None, crash: Crash = survive) -> None:
        """`tell` gets every event after it was committed."""
        path = directory / FILE_NAME
        self.writer = Writer(path, crash)
        self.rows = Rows(open_reader(path), path)
        self._contents = Contents(directory / "contents")
        self._tell = tell
        self._runs: dict[str, RunRecord] = {}
        self._plans: dict[str, Plan] = {}
        self._results: dict[StepKey, StepResult] = {}

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts are."""
        return self._contents

    def close(self) -> None:
        """Closes the file; what was written stays."""
        self.rows.close()
        self.writer.close()  # last, so that SQLite moves the WAL into the file and removes it

    async def run(self, run_id: str) -> RunRecord:
        """The run; raises `KeyError`."""
        run = self._runs.get(run_id)
        if run is None:
            try:
                run = self._runs[run_id] = self.rows.run(run_id).run
            except UnknownRun as error:
                raise KeyError(run_id) from error
        return run

    async def plan(self, run_id: str) -> Plan:
        """The plan that the run started with."""
        plan = self._plans.get(run_id)
        if plan is None:
            plan = self._plans[run_id] = self.rows.plan(run_id)
        return plan

    def forget(self, run_id: str) -> None:
        """Drops what is remembered of a run that is no longer worked on."""
        self._runs.pop(run_id, None)
        self._plans.pop(run_id, None)
        self._results = {key: result for key, result in self._results.items() if key.run != run_id}

    async def result(self, key: StepKey) -> StepResult | None:
        """The recorded result, if there is one."""
        result = self._results.get(key)
        if result is None and (result := self.rows.result(key)) is not None and key.item == NO_ITEM:
            self._remember(result)
        return result

    async def item_results(self, run_id: str, step: str) -> Sequence[StepResult]:
        """Results of a fan-out step's items, in the order of the items."""
        return self.rows.item_results(run_id, step)

    async def decisions(self, key: StepKey) -> Sequence[Decision]:
        """People's decisions on the step, oldest first."""
        return [d for d in self.rows.decisions(key.run) if (d.step, d.item) == (key.step, key.item)]

    async def begin(self, key: StepKey, at: datetime) -> Attempt:
        """Opens the next attempt; raises `AttemptHeld` when one is open."""
        attempt = await self.writer.write("begin", lambda db: _begin(db, key, at), flush=False)
        self._tell(Event(at=at, key=key, kind="attempt", phase="Running", attempt=attempt.number))
        return attempt

    async def end(self, attempt: Attempt) -> None:
        """Closes an attempt that leaves no result."""
        await self.writer.write("end", lambda db: _close(db, attempt))
        at = attempt.ended_at or attempt.started_at
        message = attempt.failure.message if attempt.failure else attempt.waiting.title if attempt.waiting else ""
        waits = attempt.waiting is not None
        self._tell(
            Event(
                at=at,
                key=attempt.key,
                kind="waiting" if waits else "retry",
                phase="Waiting" if waits else "Pending",
                attempt=attempt.number,
                message=message,
            )
        )

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        """Closes the attempt, else any that is open, and records the result; the first result of a key stays."""
        recorded = await self.writer.write("record", lambda db: _record(db, attempt, result))
        if result.key.item == NO_ITEM:
            self._remember(recorded)
        self._tell(
            Event(
                at=recorded.ended_at,
                key=recorded.key,
                kind="result",
                phase=recorded.phase,
                attempt=attempt.number if attempt else 0,
                message=recorded.failure.message if recorded.failure else "",
                result=recorded,
            )
        )
        return recorded

    async def reserve(self, key: StepKey, amounts: Amounts, budgets: Sequence[tuple[str, Budget]]) -> None:
        """Sets amounts aside under each budget; raises `BudgetExceeded`."""
        if budgets:
            await self.writer.write("reserve", lambda db: budget_rows.reserve(db, key, amounts, budgets))

    async def settle(self, key: StepKey, spent: Amounts) -> None:
        """Turns the key's reservation into what was spent."""
        if self.rows.has_reserved(key):
            await self.writer.write("settle", lambda db: budget_rows.settle(db, key, spent))

    async def write(self, name: str, operation: Callable[[sqlite3.Connection], T], *, flush: bool = True) -> T:
        """Any other write; see `Writer.write`."""
        return await self.writer.write(name, operation, flush=flush)

    def _remember(self, result: StepResult) -> None:
        if len(self._results) >= _REMEMBERED:
            del self._results[next(iter(self._results))]
        self._results[result.key] = result


def _begin(db: sqlite3.Connection, key: StepKey, at: datetime) -> Attempt:
    query = f"SELECT open, record FROM attempts WHERE {_KEY} ORDER BY number DESC LIMIT 1"  # noqa: S608
    row = db.execute(query, key).fetchone()
    if row is None:
        attempt = Attempt(key=key, number=1, started_at=at)
    else:
        still_open, record = row
        last = decode_attempt(record)
        if still_open:
            raise AttemptHeld(f"attempt {last.number} of {key} is at work")
        attempt = Attempt(
            key=key,
            number=last.number + 1,
            failed_before=last.failed_before + (last.failure is not None and not _outside(last)),
            started_at=at,
            asked=last.waiting or last.asked,
        )
    db.execute(
        "INSERT INTO attempts (run, step, item, number, open, record) VALUES (?, ?, ?, ?, 1, ?)",
        (*key, attempt.number, encode(attempt)),
    )
    return attempt


def _outside(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.failure_class in _NOT_ITS_FAULT


def _close(db: sqlite3.Connection, attempt: Attempt) -> None:
    db.execute(
        f"UPDATE attempts SET open = 0, record = ? WHERE {_KEY} AND number = ?",  # noqa: S608
        (encode(attempt), *attempt.key, attempt.number),
    )


def _record(db: sqlite3.Connection, attempt: Attempt | None, result: StepResult) -> StepResult:
    if attempt is None:
        row = db.execute(f"SELECT record FROM attempts WHERE {_KEY} AND open", result.key).fetchone()  # noqa: S608
        attempt = None if row is None else decode_attempt(row[0])
    if attempt is not None:
        if attempt.ended_at is None:
            attempt = replace(attempt, ended_at=result.ended_at, phase=result.phase, failure=result.failure)
        _close(db, attempt)
    inserted = db.execute(
        "INSERT INTO results VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*result.key, result.phase, encode(result)),
    )
    if inserted.rowcount:
        return result
    (record,) = db.execute(f"SELECT record FROM results WHERE {_KEY}", result.key).fetchone()  # noqa: S608
    return decode_result(record)
