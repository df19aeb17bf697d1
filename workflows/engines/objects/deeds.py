"""What people did in a run: who started it, decided and cancelled; one hash-chained log, and nothing beside it.

The decisions that open a gate are read from the very entries that the audit follows, so neither is there without the
other. Of two who write at once one creates the next number, and the other one is weighed after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import msgspec
from msgspec import Struct

from somagent.governance.chain import Checked, chained, check_chain
from somagent.operators.runner.records import Decision, RunRecord, StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import EngineError, UnknownRun


class Overdue(Struct, frozen=True):
    """A question that nobody decided in time."""

    step: str
    item: int
    question: str


class Deed(Struct, frozen=True, omit_defaults=True):
    """One entry; the chain adds `seq`, `prev` and `hash`.

    That a question is overdue is written before anything follows from it, so that no decision comes after that.
    """

    submit: RunRecord | None = None
    kept: list[Decision] = []  # with a submit: decisions of the run before, on steps that it takes over
    decision: Decision | None = None
    overdue: Overdue | None = None
    cancelled_by: str = ""
    at: str = ""


class Deeds:
    """The logs of runs. Entries never change, so each is read once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._read: dict[str, list[bytes]] = {}

    async def submit(self, run: RunRecord, kept: Sequence[Decision] = ()) -> None:
        """Begins the log of a run; raises `EngineError` when the run is there already, and is another one."""
        mine = chained(None, _fields(Deed(submit=run, kept=list(kept))))
        if await self._bucket.claim(names.deed(run.id, 1), mine) != mine:
            raise EngineError(f"there is a run {run.id} at {self._bucket.address} already")

    async def run(self, run_id: str) -> RunRecord:
        """The run as it was asked for; raises `UnknownRun`."""
        first = await self.submitted(run_id)
        if first is None:
            raise UnknownRun(f"there is no run {run_id} at {self._bucket.address}")
        return first

    async def submitted(self, run_id: str) -> RunRecord | None:
        """The same; None when it is on its way in or out, whatever else of it is there."""
        lines = self._read.get(run_id) or await self._lines(run_id, most=1)
        return _decode(lines[0]).submit if lines else None

    async def all(self, run_id: str) -> Sequence[Deed]:
        """All entries, oldest first; new ones are looked for."""
        return [_decode(line) for line in await self._lines(run_id)]

    async def append(self, run_id: str, write: Callable[[Sequence[Deed]], Deed | None]) -> None:
        """Adds what `write` makes of the log as it stands; it is asked again when somebody else was first.

        What it raises is passed on; with None nothing is added.
        """
        while True:
            deed = write(await self.all(run_id))
            if deed is None:
                return
            lines = self._read[run_id]
            mine = chained(lines[-1], _fields(deed))
            if await self._bucket.claim(names.deed(run_id, len(lines) + 1), mine) == mine:
                return

    async def check(self, run_id: str) -> Checked:
        """Follows the chain of the run's log."""
        return check_chain(await self._lines(run_id))

    async def _lines(self, run_id: str, most: float = inf) -> list[bytes]:
        lines = self._read.setdefault(run_id, [])
        while (number := len(lines) + 1) <= most:
            line = await self._bucket.read(names.deed(run_id, number))
            if len(lines) >= number:  # somebody else here looked at the same time, and was quicker
                continue
            if line is None:
                break
            lines.append(line)
        return lines


def decisions_in(deeds: Sequence[Deed]) -> list[Decision]:
    """What was decided in the run, oldest first, after what was taken over."""
    return [one for deed in deeds for one in (*deed.kept, *([deed.decision] if deed.decision is not None else ()))]


def decisions_on(deeds: Sequence[Deed], key: StepKey) -> list[Decision]:
    """What was decided on the step, oldest first."""
    return [one for one in decisions_in(deeds) if (one.step, one.item) == (key.step, key.item)]


def cancelled_by(deeds: Sequence[Deed]) -> str:
    """Who asked the run to stop; empty when nobody did."""
    return next((deed.cancelled_by for deed in deeds if deed.cancelled_by), "")


def _fields(deed: Deed) -> dict[str, Any]:
    return dict(msgspec.to_builtins(deed))


_decode = msgspec.json.Decoder(Deed).decode
