"""What an engine gives so that the suite can be run on it, beside the engine itself.

The protocol `Engine` is the same for all; what differs is who works, where, and by which clock. An adapter for an
engine whose steps run in pods or tasks of a cluster has the same members: `work` waits until the cluster has
nothing left to do for the run, `doomed` deletes what runs without a grace period, `pass_time` waits. Scripts of cases
see nothing but their own working folder and what the step runner hands them, so it does not matter where they run.

The operator `probe` (see `probe`) must be installed where steps run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from somagent.workflows.engines.protocol import Engine


class Adapter(Protocol):
    """One engine, with records of its own in which no run has been yet."""

    @property
    def patience_s(self) -> float:
        """For a whole case, so that an engine that hangs fails and does not stop the suite."""
        ...

    @property
    def engine(self) -> Engine:
        """Submits, decides, cancels and looks; it need not be the object, nor the process, that works."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether steps run on this machine, with its secrets and files."""
        ...

    @property
    def leaves_capsules_open(self) -> bool:
        """Whether the attempt at a step that is a capsule stays open while nothing inside is at work.

        Elsewhere it ends, `waiting` or `cut_off`, and another one goes on with what is inside.
        """
        ...

    @property
    def goes_on_by_itself(self) -> bool:
        """Whether a run begins when it is submitted, and goes on after a death, without anybody who says so."""
        ...

    async def work(self, run_id: str) -> None:
        """Lets the engine go on with the run; returns when it has ended or only waits for people.

        The suite calls everything of `engine` meanwhile. A run that has ended is left as it is.
        """
        ...

    def doomed(self, run_id: str) -> AbstractAsyncContextManager[None]:
        """Lets the engine go on with the run inside; what works on it is killed (SIGKILL) when it is left.

        Nothing that is killed gets a chance to write down that it ends. What is recorded stays, and the next `work`
        or `doomed` begins at once.
        """
        ...

    async def pass_time(self, by: timedelta) -> None:
        """Lets so much time pass for the engine's own clock while nobody works; seconds at the most."""
        ...

    def now(self) -> datetime:
        """The engine's wall clock (UTC), by which people decide."""
        ...


class Provider(Protocol):
    """Makes adapters of one engine; what they can share (a server, a cluster) lives as long as the provider."""

    def open(self, folder: Path, secrets: Mapping[str, str]) -> AbstractContextManager[Adapter]:
        """An adapter that may keep files in `folder`, where steps can be granted these secrets (value by SECRET/KEY).

        When it is left, nothing of it runs any more.
        """
        ...

    def close(self) -> None:
        """Ends what adapters shared."""
        ...
