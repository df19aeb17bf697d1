"""What every engine offers, and the views of a run that people and programs read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.governance.verdict import Verdict
from somagent.operators.runner.records import (
    NO_ITEM,
    Attempt,
    Decision,
    Failure,
    Phase,
    RunRecord,
    StepKey,
    StepResult,
    Waiting,
)


class StepView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a run as it stands now; for a fan-out step also its items."""

    id: str
    operator: str
    item: int = NO_ITEM
    phase: Phase
    attempts: Annotated[int, Meta(description="Attempts begun; of a fan-out step, the sum over its items")] = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outputs: dict[str, Any] = {}
    failure: Failure | None = None
    verdict: Verdict | None = None
    waiting: Waiting | None = None
    spent: Amounts = Amounts()
    input_digest: str = ""
    output_digest: str = ""
    history: Annotated[list[Attempt], Meta(description="Every attempt, oldest first")] = []
    items: list[StepView] = []
    retry_at: datetime | None = None
    warnings: Annotated[list[str], Meta(description="Budgets that its attempts went beyond, each in words")] = []
    inner: Annotated[RunView | None, Meta(description="The newest run of the step's capsule")] = None


class RunView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run as it stands now.

    `Running` means that a process is at work on it; a run that was stopped or cut off is `Pending`.
    """

    run: RunRecord
    plan: Plan
    phase: Phase
    steps: Annotated[list[StepView], Meta(description="In the order of the plan, `finally` last")]
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outputs: dict[str, Any] = {}
    failure: Failure | None = None
    decisions: list[Decision] = []
    warnings: Annotated[list[str], Meta(description="Where it went beyond what budgets allow, each in words")] = []
    held_by: Annotated[int | None, Meta(description="Process at work on it, if one is")] = None


class RunSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the list of runs."""

    id: str
    capsule: str
    phase: Phase
    submitter: str
    created_at: datetime
    ended_at: datetime | None = None


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in a run, after it was made durable."""

    at: datetime
    key: StepKey
    kind: Literal["attempt", "waiting", "retry", "result", "opened", "decision", "run"]
    phase: Phase
    attempt: int = 0
    items: Annotated[int | None, Meta(description="`opened`: how many items the fan-out has")] = None
    message: str = ""
    result: StepResult | None = None


class LogChunk(Struct, frozen=True, kw_only=True):
    """Lines that an attempt wrote."""

    key: StepKey
    attempt: int
    text: str


class Engine(Protocol):
    """An engine that runs plans."""

    async def submit(self, plan: Plan, inputs: Mapping[str, Any], *, submitter: str, files: Mapping[str, bytes]) -> str:
        """Stores the plan, its files and inputs as a new run and returns the run's id."""
        ...

    def watch(self, run_id: str) -> AsyncIterator[Event]:
        """What happens from now on, until the run ends or nothing is left but waiting for people."""
        ...

    async def signal(self, run_id: str, decision: Decision) -> None:
        """Writes a person's decision down; the step that waits for it goes on.

        Raises `DecisionRefused` when the step does not wait or the person may not decide
        (`somagent.operators.deciding.objection`, which the step asks again).
        """
        ...

    async def cancel(self, run_id: str, *, by: str) -> None:
        """Asks the run to stop; steps already recorded keep their results."""
        ...

    async def retry_from(self, run_id: str, step: str) -> str:
        """Starts a new run of the same plan and inputs that takes over the results of all steps not after `step`."""
        ...

    def view(self, run_id: str) -> RunView:
        """The run as it stands; raises `UnknownRun`."""
        ...

    def runs(self, *, children: bool = False) -> Sequence[RunSummary]:
        """All runs, newest first; with `children` also those that are part of another one."""
        ...

    def logs(self, run_id: str, step: str | None = None) -> Iterator[LogChunk]:
        """What the attempts wrote, in the order of their starts."""
        ...


class EngineError(Exception):
    """A mistake or a fault that people can do something about; the message says what."""


class UnknownRun(EngineError):
    """No run has this id."""


class DecisionRefused(EngineError):
    """The decision was not written down."""


class DataDirectoryHeld(EngineError):
    """Another process runs capsules in this data directory."""


class JournalDamaged(EngineError):
    """The journal's file cannot be read."""


class StorageFull(EngineError):
    """There was no room to write; nothing recorded is lost."""
