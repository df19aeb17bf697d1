"""What starts the steps of runs at a bucket, a cluster or a scheduler: it carries order, all else is in the bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Set
from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.records import RunRecord, StepKey


class Address(Struct, frozen=True, omit_defaults=True):
    """Where a run is worked on."""

    engine: Annotated[str, Meta(description="`argo` or `airflow`")]
    where: Annotated[str, Meta(description="As that engine's own tools name it")]
    begun_by: Annotated[str, Meta(description="The Workflow that began it without us, by the cluster's own id")] = ""


class Look(Struct, frozen=True):
    """How a run stands with what starts its steps."""

    over: Annotated[bool, Meta(description="Nothing of the run begins any more")] = False
    parked: Annotated[bool, Meta(description="Nothing is at work or about to be; it waits for people only")] = False
    held: Annotated[bool, Meta(description="Others that wait for people have the places of what could go on")] = False
    troubles: Annotated[Mapping[str, str], Meta(description="By step: why it does not begin, for people")] = {}


class Output(Struct, frozen=True):
    """What a step at work wrote."""

    key: StepKey
    began: Annotated[datetime, Meta(description="When what works on the step began, by the clock of the attempt")]
    content: bytes


class Driver(Protocol):
    """One engine's works. Every call may be made again, and finds what the one before it did.

    Raises `EngineError` with a message that says what to do.
    """

    def address(self, run_id: str) -> Address:
        """Where it works on this run."""
        ...

    def check(self, plan: Plan) -> None:
        """Raises `EngineError` when a step of the plan cannot run there."""
        ...

    async def start(self, run: RunRecord, plan: Plan, kept: Set[str]) -> None:
        """Lets the steps of a run begin, but those `kept`, which have results already; the run is in the bucket."""
        ...

    async def go_on(self, run_id: str, answered: Mapping[StepKey, str]) -> None:
        """Lets steps that waited for people look at what was decided, which is said in words for those who look on."""
        ...

    async def stop(self, run_id: str) -> None:
        """Stops what is at work; `finally` runs, and then the end of the run is written down."""
        ...

    def outputs(self, run_id: str) -> AsyncIterator[Output]:
        """What steps write while they are at work, each in order, as far as it can be seen there; until cancelled.

        Raises `EngineError` that says what right is missing.
        """
        ...

    def looks(self, run_id: str) -> AsyncIterator[Look]:
        """How the run stands there, now and whenever that has changed; raises `EngineError` when it is not there."""
        ...
