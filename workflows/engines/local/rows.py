"""Reading the journal: rows in, records out. Nothing is remembered here, the rows are the truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from somagent.capsule_compiler.plan import Amounts, Plan, decode_plan
from somagent.operators.runner.records import Attempt, Decision, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local.faults import unreadable
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.protocol import JournalDamaged, UnknownRun
from somagent.workflows.engines.rules import Outcome

C = TypeVar("C")
T = TypeVar("T")


class RunRow(NamedTuple):
    """A run and how far it is."""

    run: RunRecord
    phase: Phase
    epoch: int
    started_at: datetime | None
    ended_at: datetime | None
    outcome: Outcome


encode = msgspec.json.Encoder().encode
decode_attempt = msgspec.json.Decoder(Attempt).decode
decode_result = msgspec.json.Decoder(StepResult).decode
decode_decision = msgspec.json.Decoder(Decision).decode
decode_run = msgspec.json.Decoder(RunRecord).decode
decode_outcome = msgspec.json.Decoder(Outcome).decode
_PHASES: dict[str, Phase] = {phase: phase for phase in get_args(Phase)}

_RUNS = "SELECT id, record, phase, epoch, started_at, ended_at, outcome FROM runs"


def read_phase(text: str) -> Phase:
    """The phase that a column says; raises `ValueError` when it is none."""
    if text not in _PHASES:
        raise ValueError(f"`{text}` is no phase")
    return _PHASES[text]


def read_time(text: str | None) -> datetime | None:
    """The time that a column says, None where it says none; raises `ValueError` for anything else."""
    if not text:
        return None
    with suppress(TypeError, ValueError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at
    raise ValueError(f"`{text}` is no time")


class Rows:
    """Questions to the journal, over a connection of their own. Lists are in the order of time; runs newest first."""

    def __init__(self, place: Path | Store) -> None:
        self.store = store_at(place)
        self._db = self.store.reader()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside belongs to one moment."""
        with self._translating():
            self.store.snapshot(self._db)
        try:
            yield
        finally:
            with self._translating():
                self._db.execute("ROLLBACK")

    def version(self) -> int:
        """Changes whenever another connection, of any process, has written."""
        with self._translating():
            return self.store.version(self._db)

    def check_free(self, *, serves: bool) -> None:
        """Raises `DataDirectoryHeld` when another process is at work that must be left to it."""
        with self._translating():
            self.store.check_free(self._db, serves=serves)

    def leases(self) -> int:
        """How many leases there have been."""
        return int(self._ask("SELECT epoch FROM lease")[0][0])

    def holders(self) -> Mapping[int, int]:
        """The processes at work, by the epochs of their leases."""
        with self._translating():
            return self.store.holders(self._db)

    def server(self) -> int | None:
        """The process that works on whatever is submitted, if there is one."""
        with self._translating():
            return self.store.server(self._db)

    def run(self, run_id: str) -> RunRow:
        """The run; raises `UnknownRun`."""
        return self._run_row(self._one(run_id, f"{_RUNS} WHERE id = ?"))

    def runs(self, *, children: bool = False) -> list[RunRow]:
        """All runs that can be read; with `children` also those that are part of another one."""
        own = "" if children else "WHERE id NOT IN (SELECT run FROM children) "
        return [row for row in self._every(f"{_RUNS} {own}ORDER BY seq DESC") if isinstance(row, RunRow)]

    def damaged(self) -> list[JournalDamaged]:
        """What is wrong with the runs that cannot be read."""
        return [row for row in self._every(f"{_RUNS} ORDER BY seq DESC") if isinstance(row, JournalDamaged)]

    def left(self, *, parked: bool) -> list[str]:
        """Runs that have not ended and only wait for people, or those that do not, oldest first; no parts of others."""
        query = "SELECT id FROM runs WHERE ended_at IS NULL AND (phase = 'Waiting') = ?"
        own = " AND id NOT IN (SELECT run FROM children) "
        return [run for (run,) in self._ask(query + own + self.store.unheld + " ORDER BY seq", (parked,))]

    def cancels_left(self) -> list[str]:
        """Runs that somebody asked to stop and that have not ended."""
        query = "SELECT run FROM cancels JOIN runs ON id = run WHERE ended_at IS NULL "
        return [run for (run,) in self._ask(query + self.store.unheld)]

    def oldest_first(self, runs: Collection[str]) -> list[str]:
        """Those of the runs that have not ended, as they were submitted: ids are in no order within a minute."""
        return [run for (run,) in self._ask("SELECT id FROM runs WHERE ended_at IS NULL ORDER BY seq") if run in runs]

    def decided_since(self, last: int) -> tuple[int, set[str]]:
        """The runs in which people decided after the decision with the number `last`, and the newest number."""
        found = self._ask("SELECT seq, run FROM decisions WHERE seq > ? ORDER BY seq", (last,))
        return (found[-1][0] if found else last), {run for _, run in found}

    def children(self, run_id: str) -> dict[StepKey, str]:
        """The newest run of every step's capsule, by step and item."""
        query = "SELECT parent, step, item, run FROM children WHERE parent = ? ORDER BY seq"
        return {StepKey(*key): run for *key, run in self._ask(query, (run_id,))}

    def inside(self, run_id: str) -> list[str]:
        """All runs inside a run, however deep, oldest first."""
        query = "SELECT run FROM children WHERE run > ? AND run < ? ORDER BY seq"  # `/` comes after `.`
        return [run for (run,) in self._ask(query, (f"{run_id}.", f"{run_id}/"))]

    def children_of(self, key: StepKey) -> list[str]:
        """All runs of the step's capsule, oldest first."""
        query = "SELECT run FROM children WHERE parent = ? AND step = ? AND item = ? ORDER BY seq"
        return [run for (run,) in self._ask(query, key)]

    def spent(self, run_id: str) -> Amounts:
        """What has been settled in the run and in the runs inside it."""
        query = "SELECT spent_tokens, spent_cost FROM accounts WHERE owner = ? AND budget = 'run'"
        found = self._ask(query, (run_id,))
        return Amounts(tokens=found[0][0], cost_micros=found[0][1]) if found else Amounts()

    def plan(self, run_id: str) -> Plan:
        query = "SELECT content FROM plans JOIN runs ON plans.digest = runs.plan WHERE id = ?"
        return self._decoded(run_id, decode_plan, self._one(run_id, query)[0])

    def result(self, key: StepKey) -> StepResult | None:
        found = self._records(decode_result, "SELECT record FROM results WHERE run = ? AND step = ? AND item = ?", key)
        return found[0] if found else None

    def results(self, run_id: str) -> list[StepResult]:
        return self._records(decode_result, "SELECT record FROM results WHERE run = ?", (run_id,))

    def item_results(self, run_id: str, step: str) -> list[StepResult]:
        query = "SELECT record FROM results WHERE run = ? AND step = ? AND item >= 0 ORDER BY item"
        return self._records(decode_result, query, (run_id, step))

    def phases(self, run_id: str) -> dict[tuple[str, int], Phase]:
        """Phase of everything in the run that has a result, by step and item."""
        query = "SELECT step, item, phase FROM results WHERE run = ?"
        found = self._ask(query, (run_id,))
        for phase in {phase for *_, phase in found} - _PHASES.keys():
            self._decoded(run_id, read_phase, phase)
        return {(step, item): phase for step, item, phase in found}

    def attempts(self, run_id: str, step: str = "") -> list[Attempt]:
        """All attempts of a run, or of one step and its items, in the order of their starts."""
        if not step:
            return self._records(decode_attempt, "SELECT record FROM attempts WHERE run = ? ORDER BY seq", (run_id,))
        query = "SELECT record FROM attempts WHERE run = ? AND step = ? ORDER BY seq"
        return self._records(decode_attempt, query, (run_id, step))

    def attempts_since(self, run_id: str, last: int, others: Collection[int]) -> list[tuple[int, Attempt]]:
        """The attempts of a run that began after the one with the number `last`, and those others; by number."""
        others = others or (-1,)  # an empty list is no SQL
        marks = ", ".join("?" * len(others))
        query = f"SELECT seq, record FROM attempts WHERE run = ? AND (seq > ? OR seq IN ({marks})) ORDER BY seq"  # noqa: S608
        found = self._ask(query, (run_id, last, *others))
        return [(seq, self._decoded(run_id, decode_attempt, record)) for seq, record in found]

    def attempts_of(self, key: StepKey) -> list[Attempt]:
        query = "SELECT record FROM attempts WHERE run = ? AND step = ? AND item = ? ORDER BY number"
        return self._records(decode_attempt, query, key)

    def unfinished(self, run_id: str) -> dict[StepKey, Attempt]:
        """The last attempt of every step and item that has been tried and has no result."""
        query = (
            "SELECT record FROM attempts AS a WHERE run = ? AND NOT EXISTS (SELECT 1 FROM results AS r "
            "WHERE r.run = a.run AND r.step = a.step AND r.item = a.item) AND number = (SELECT max(number) "
            "FROM attempts AS b WHERE b.run = a.run AND b.step = a.step AND b.item = a.item) ORDER BY step, item"
        )
        return {attempt.key: attempt for attempt in self._records(decode_attempt, query, (run_id,))}

    def open_keys(self) -> list[StepKey]:
        """What attempts of runs that have not ended are at work on, or were when their process died."""
        query = "SELECT run, step, item FROM attempts JOIN runs ON id = run WHERE ended_at IS NULL AND open = 1"
        return [StepKey(*row) for row in self._ask(query)]

    def times(self, run_id: str) -> Iterator[datetime | None]:
        """When things were written down in the run, in no order."""
        started_at = self.run(run_id).started_at
        yield started_at
        for result in self.results(run_id):
            yield result.ended_at
        for attempt in self.attempts(run_id) if started_at is not None else ():
            yield from (attempt.started_at, attempt.ended_at)

    def fan_outs(self, run_id: str) -> dict[str, int]:
        return dict(self._ask("SELECT step, items FROM fan_outs WHERE run = ?", (run_id,)))

    def decisions(self, run_id: str) -> list[Decision]:
        """Everything that people decided in the run, oldest first."""
        return self._records(decode_decision, "SELECT record FROM decisions WHERE run = ? ORDER BY seq", (run_id,))

    def decisions_on(self, key: StepKey) -> list[Decision]:
        query = "SELECT record FROM decisions WHERE run = ? AND step = ? AND item = ? ORDER BY seq"
        return self._records(decode_decision, query, key)

    def cancelled_by(self, run_id: str) -> str | None:
        found = self._ask("SELECT person FROM cancels WHERE run = ?", (run_id,))
        return found[0][0] if found else None

    def _every(self, query: str) -> Iterator[RunRow | JournalDamaged]:
        for row in self._ask(query):
            try:
                yield self._run_row(row)
            except JournalDamaged as damaged:  # of this run only
                yield damaged

    def _run_row(self, row: tuple[Any, ...]) -> RunRow:
        run_id, record, phase, epoch, started_at, ended_at, outcome = row
        return RunRow(
            run=self._decoded(run_id, decode_run, record),
            phase=self._decoded(run_id, read_phase, phase),
            epoch=epoch,
            started_at=self._decoded(run_id, read_time, started_at),
            ended_at=self._decoded(run_id, read_time, ended_at),
            outcome=self._decoded(run_id, decode_outcome, outcome) if outcome else Outcome(),
        )

    def _one(self, run_id: str, query: str) -> tuple[Any, ...]:
        found = self._ask(query, (run_id,))
        if not found:
            raise UnknownRun(f"there is no run `{run_id}` in {self.store.where}")
        return found[0]

    def _records(self, decode: Callable[[bytes], T], query: str, values: tuple[Any, ...]) -> list[T]:
        return [self._decoded(values[0], decode, row[0]) for row in self._ask(query, values)]

    def _ask(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._translating():
            return [tuple(row) for row in self._db.execute(query, values).fetchall()]

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except self.store.errors as error:
            raise self.store.translated(error) from error

    def _decoded(self, run_id: str, decode: Callable[[C], T], content: C) -> T:
        try:
            return decode(content)
        except (msgspec.DecodeError, ValueError) as error:
            raise unreadable(self.store.where, run_id, str(error)) from error
