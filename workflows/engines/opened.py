"""What commands and programs need of an engine, beside the calls of the protocol: who works, and what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Phase, RunRecord
from somagent.workflows.engines.local.crowding import Crowded
from somagent.workflows.engines.protocol import Engine, Event, LogChunk, RunView
from somagent.workflows.engines.slots import Limits
from somagent.workflows.engines.taking_over import TakenOver


class Followed(Protocol):
    """Events of a run from where `view` has it; at their end `phase` is the run's, None when nobody works on it."""

    phase: Phase | None

    @property
    def view(self) -> RunView: ...
    def written(self) -> Iterator[LogChunk]: ...
    def __aiter__(self) -> AsyncIterator[Event]: ...


class OpenEngine(Engine, Protocol):
    """An engine as it was opened here; `limits` are those of the machine, and none where steps run elsewhere."""

    @property
    def limits(self) -> Limits: ...

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts of its runs are."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether steps run on this machine, with its secrets, files and tools."""
        ...

    def who_works(self, run_id: str) -> str:
        """Who goes on with the run by itself, in words: `process 12`; empty when nobody does."""
        ...

    def on_stored(self, tell: Callable[[RunRecord], object]) -> None:
        """`tell` hears of a new run that is stored and not yet given to what works on it elsewhere: that may take long.

        Of none where steps run here.
        """
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...
    def close(self) -> None: ...
    def check(self, plan: Plan) -> None: ...
    def taken_over(
        self,
        run_id: str,
        step: str = "",
        *,
        plan: Plan | None = None,
        inputs: Mapping[str, Any] | None = None,
        submitter: str = "",
    ) -> TakenOver: ...
    def following(self, run_id: str) -> AbstractContextManager[Followed]: ...
    async def go_on(self, run_id: str) -> None:
        """Has what works elsewhere go on with the run; nothing where steps run here, for `run` does."""
        ...

    async def hold(self) -> None: ...
    async def run(self, run_id: str) -> RunView: ...
    def server(self) -> int | None: ...
    def holder(self) -> int | None: ...
    def crowded(self, run_id: str, limits: Limits | None = None) -> Mapping[str, Crowded]: ...
