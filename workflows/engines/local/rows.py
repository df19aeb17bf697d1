"""Reading the journal: rows in, records out. Nothing is remembered here, the rows are the truth."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import msgspec
from msgspec import Struct

from somagent.capsule_compiler.plan import Plan, decode_plan
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, Failure, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local.faults import damaged, translated
from somagent.workflows.engines.protocol import UnknownRun

P = ParamSpec("P")
R = TypeVar("R")

encode = msgspec.json.Encoder().encode
decode_attempt = msgspec.json.Decoder(Attempt).decode
decode_result = msgspec.json.Decoder(StepResult).decode
decode_decision = msgspec.json.Decoder(Decision).decode
_decode_run = msgspec.json.Decoder(RunRecord).decode


class Outcome(Struct, frozen=True, omit_defaults=True):
    """How a run ended."""

    outputs: dict[str, Any] = {}
    failure: Failure | None = None


_decode_outcome = msgspec.json.Decoder(Outcome).decode


class RunRow(NamedTuple):
    """A run and how far it is."""

    run: RunRecord
    phase: Phase
    epoch: int
    started_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome


def _translating(method: Callable[P, R]) -> Callable[P, R]:
    """Turns faults of the file into `JournalDamaged` and its kin."""

    @functools.wraps(method)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            path: Path = args[0].path  # type: ignore[attr-defined]  # every method is one of Rows
            if isinstance(error, sqlite3.Error):
                raise translated(error, path) from error
            raise damaged(path, f"a row does not hold what was written: {error}") from error

    return reading


class Rows:
    """Questions to the journal over one connection."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._db = db

    def close(self) -> None:
        """Closes the connection."""
        self._db.close()

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside belongs to one moment."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @_translating
    def version(self) -> int:
        """Changes whenever another connection, of any process, has written."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    @_translating
    def epoch(self) -> int:
        """Number of the newest lease."""
        return int(self._db.execute("SELECT epoch FROM lease").fetchone()[0])

    @_translating
    def run(self, run_id: str) -> RunRow:
        """The run; raises `UnknownRun`."""
        row = self._db.execute(_RUN + " WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise UnknownRun(f"there is no run `{run_id}` in {self.path.parent}")
        return _run_row(row)

    @_translating
    def runs(self) -> list[RunRow]:
        """All runs, newest first."""
        return [_run_row(row) for row in self._all(_RUN + " ORDER BY seq DESC")]

    @_translating
    def plan(self, run_id: str) -> Plan:
        """The plan that the run was submitted with."""
        row = self._db.execute(
            "SELECT content FROM plans JOIN runs ON plans.digest = runs.plan WHERE id = ?", (run_id,)
        ).fetchone()
        if row is None:
            raise UnknownRun(f"there is no run `{run_id}` in {self.path.parent}")
        return decode_plan(row[0])

    @_translating
    def result(self, key: StepKey) -> StepResult | None:
        """The recorded result of a step or an item."""
        row = self._db.execute("SELECT record FROM results WHERE run = ? AND step = ? AND item = ?", key).fetchone()
        return None if row is None else decode_result(row[0])

    @_translating
    def item_results(self, run_id: str, step: str) -> list[StepResult]:
        """Results of a fan-out step's items, in the order of the items."""
        query = "SELECT record FROM results WHERE run = ? AND step = ? AND item <> ? ORDER BY item"
        return [decode_result(row[0]) for row in self._all(query, (run_id, step, NO_ITEM))]

    @_translating
    def results(self, run_id: str) -> list[StepResult]:
        """All results of a run."""
        return [decode_result(row[0]) for row in self._all("SELECT record FROM results WHERE run = ?", (run_id,))]

    @_translating
    def phases(self, run_id: str) -> dict[tuple[str, int], Phase]:
        """Phase of everything in the run that has a result, by step and item."""
        query = "SELECT step, item, phase FROM results WHERE run = ?"
        return {(step, item): phase for step, item, phase in self._all(query, (run_id,))}

    @_translating
    def attempts(self, run_id: str) -> list[Attempt]:
        """All attempts of a run, in the order of their starts."""
        query = "SELECT record FROM attempts WHERE run = ? ORDER BY seq"
        return [decode_attempt(row[0]) for row in self._all(query, (run_id,))]

    @_translating
    def unfinished(self, run_id: str) -> list[Attempt]:
        """The last attempt of every step and item that has been tried and has no result."""
        query = """
            SELECT record, max(number) FROM attempts AS a WHERE run = ? AND NOT EXISTS (
                SELECT 1 FROM results AS r WHERE r.run = a.run AND r.step = a.step AND r.item = a.item
            ) GROUP BY step, item
        """
        return [decode_attempt(row[0]) for row in self._all(query, (run_id,))]

    @_translating
    def fan_outs(self, run_id: str) -> dict[str, int]:
        """How many items each opened fan-out step has."""
        return dict(self._all("SELECT step, items FROM fan_outs WHERE run = ?", (run_id,)))

    @_translating
    def decisions(self, run_id: str) -> list[Decision]:
        """Everything that people decided in the run, oldest first."""
        query = "SELECT record FROM decisions WHERE run = ? ORDER BY seq"
        return [decode_decision(row[0]) for row in self._all(query, (run_id,))]

    @_translating
    def has_reserved(self, key: StepKey) -> bool:
        """Whether the step or item ever set something aside."""
        query = "SELECT 1 FROM budgets WHERE run = ? AND step = ? AND item = ?"
        return self._db.execute(query, key).fetchone() is not None

    @_translating
    def cancelled_by(self, run_id: str) -> str | None:
        """Who asked the run to stop, if anybody did."""
        row = self._db.execute("SELECT person FROM cancels WHERE run = ?", (run_id,)).fetchone()
        return None if row is None else str(row[0])


_RUN = "SELECT record, phase, epoch, started_at, ended_at, outcome FROM runs"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    record, phase, epoch, started_at, ended_at, outcome = row
    return RunRow(
        run=_decode_run(record),
        phase=phase,
        epoch=epoch,
        started_at=None if started_at is None else datetime.fromisoformat(started_at),
        ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
        outcome=Outcome() if outcome is None else _decode_outcome(outcome),
    )
