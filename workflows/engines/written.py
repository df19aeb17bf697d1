"""What an engine that runs steps in its own process must know of what it has written down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.records import Attempt, Decision, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.rules import Outcome


class RunRow(Protocol):
    """A run and how far it is."""

    @property
    def run(self) -> RunRecord:
        """As it was asked for."""
        ...

    @property
    def phase(self) -> Phase:
        """Where it is."""
        ...

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, if it has."""
        ...

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        ...


class Rows(Protocol):
    """Questions to the records, answered at once; lists are in the order of time."""

    def run(self, run_id: str) -> RunRow:
        """The run; raises `UnknownRun`."""
        ...

    def plan(self, run_id: str) -> Plan:
        """What the run is a run of."""
        ...

    def children_of(self, key: StepKey) -> list[str]:
        """All runs of the step's capsule."""
        ...

    def phases(self, run_id: str) -> dict[tuple[str, int], Phase]:
        """Phase of everything in the run that has a result, by step and item."""
        ...

    def results(self, run_id: str) -> list[StepResult]:
        """All results of a run."""
        ...

    def attempts(self, run_id: str, step: str = "") -> list[Attempt]:
        """All attempts of a run, or of one step and its items."""
        ...

    def attempts_of(self, key: StepKey) -> list[Attempt]:
        """The attempts of one step or item."""
        ...

    def unfinished(self, run_id: str) -> dict[StepKey, Attempt]:
        """The last attempt of every step and item that has been tried and has no result."""
        ...

    def decisions(self, run_id: str) -> list[Decision]:
        """Everything that people decided in the run."""
        ...

    def decisions_on(self, key: StepKey) -> list[Decision]:
        """What people decided on one step or item."""
        ...

    def cancelled_by(self, run_id: str) -> str | None:
        """Who asked the run to stop."""
        ...

    def spent(self, run_id: str) -> Amounts:
        """What has been settled in the run and in those inside it."""
        ...


class Written(Ledger, Protocol):
    """The ledger of an engine in whose process steps run."""

    @property
    def rows(self) -> Rows:
        """Its records."""
        ...

    async def record_and_begin(
        self, attempt: Attempt | None, result: StepResult, following: Sequence[StepKey]
    ) -> tuple[StepResult, list[Attempt]]:
        """As `record`; in the same transaction first attempts are begun of steps that nobody is at work on."""
        ...

    async def opened(self, key: StepKey, items: int, at: datetime) -> None:
        """Notes for people how many items a fan-out has."""
        ...
