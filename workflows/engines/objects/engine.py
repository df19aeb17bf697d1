"""Runs at a bucket whose steps begin elsewhere: every call of an engine, on the ledger, and a `Driver` behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec import MsgspecError
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan
from somagent.operators.deciding import outcome
from somagent.operators.operator import Operator
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Artifact, Decision, RunRecord, StepKey, StepResult
from somagent.operators.submitter import Submitter
from somagent.workflows.engines import rules
from somagent.workflows.engines.artifacts import artifacts_of, own_copy
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.findings import Finding, identity
from somagent.workflows.engines.local.crowding import Crowded
from somagent.workflows.engines.objects import listing, names, people, upkeep
from somagent.workflows.engines.objects.attempts import at_once
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.deeds import decisions_in, decisions_on
from somagent.workflows.engines.objects.driver import Address, Driver
from somagent.workflows.engines.objects.following import Following
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.reading import is_to_stop, run_view
from somagent.workflows.engines.objects.upkeep import Pruned
from somagent.workflows.engines.protocol import (
    DataDirectoryHeld,
    EngineError,
    EngineUnreachable,
    Event,
    LogChunk,
    NotTakenUp,
    RunSummary,
    RunView,
    spelled,
)
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.engines.slots import NO_LIMITS, Limits
from somagent.workflows.engines.taking_over import OldRun, TakenOver, take_over
from somagent.workflows.engines.vouching import vouched, vouched_name

T = TypeVar("T")


class ObjectEngine:
    """Runs at the bucket `address`; an `Engine` (see `protocol`). Nothing is worked on in this process.

    `directory` has copies of contents, and says who is to be believed. `drivers` gives the driver for a run's address;
    new runs are given to `driver`. Without them runs can be read, and nothing else. `says` is told of a store that is
    waited for.
    """

    limits = NO_LIMITS
    is_here = False

    def __init__(
        self,
        address: str,
        directory: Path,
        operators: Mapping[str, Operator],
        *,
        driver: Driver | None = None,
        drivers: Callable[[Address], Driver] | None = None,
        now: Callable[[], datetime] = utc_now,
        token: Callable[[], str] = lambda: os.urandom(3).hex(),
        way_on: Callable[..., str] = spelled,
        says: Callable[[str], object] | None = None,
    ) -> None:
        self.address, self._directory = address, directory.absolute()
        self._operators, self._driver, self._drivers = operators, driver, drivers
        self._now, self._token, self._way_on, self._says = now, token, way_on, says
        self._ledger, self._reader = self._opened(), self._opened()
        self._tell_stored: Callable[[RunRecord], object] = _nobody

    async def __aenter__(self) -> ObjectEngine:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held, and it can be read on."""

    def check(self, plan: Plan) -> None:
        """Raises `EngineError` when the plan has a step that this version, or what starts its steps, does not run."""
        rules.check_runnable(plan, self._operators)
        if self._driver is not None:
            self._driver.check(plan)

    async def submit(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        *,
        submitter: str,
        files: Mapping[str, bytes],
        source: str = "",
        token: str | None = None,
    ) -> str:
        """Stores the run at the bucket, then has the driver begin with it; its id is the same everywhere."""
        who = Submitter(vouched_name(self._directory, submitter, token, "start a run"))
        self.check(plan)
        return await self._submit(plan, inputs, who, files=files, source=source)

    async def retry_from(
        self,
        run_id: str,
        step: str = "",
        *,
        plan: Plan | None = None,
        inputs: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
        submitter: str = "",
        token: str | None = None,
    ) -> str:
        """A new run that takes over what can be kept; only the other steps are given to the driver."""
        old = await self._whole(self._ledger, run_id)
        who = self._starting(submitter, old, token)
        new = await self._taken_over(self._ledger, old, step, plan=plan, inputs=inputs, submitter=who.name)
        return await self._submit(new.plan, new.inputs, who, files=files, source=new.old.source, taken_over=new)

    def taken_over(
        self,
        run_id: str,
        step: str = "",
        *,
        plan: Plan | None = None,
        inputs: Mapping[str, Any] | None = None,
        submitter: str = "",
    ) -> TakenOver:
        """What `retry_from` would keep, and why the rest would run again; nothing is started."""
        old = self._read(self._whole(self._reader, run_id))
        who = submitter or old.submitter
        return self._read(self._taken_over(self._reader, old, step, plan=plan, inputs=inputs, submitter=who))

    async def rerun(self, run_id: str, *, submitter: str = "", token: str | None = None) -> str:
        """A new run of the same plan and inputs that takes nothing over."""
        old, plan = await self._whole(self._ledger, run_id), await self._ledger.plan(run_id)
        who = self._starting(submitter, old, token)
        return await self._submit(plan, old.inputs, who, source=old.source)

    async def watch(self, run_id: str) -> AsyncIterator[Event]:
        """What happens from now on, until the run ends or only waits for people."""
        following = self._following(run_id, await self._driver_of(run_id))
        async for event in following:
            yield event

    @contextmanager
    def following(self, run_id: str) -> Iterator[Following]:
        """The same with the run as it was before; raises `UnknownRun`."""
        driver = self._read(self._driver_of(run_id, self._reader))
        following = self._following(run_id, driver)
        following.view = self.view(run_id)
        yield following

    def _following(self, run_id: str, driver: Driver) -> Following:
        return Following(self._opened(), run_id, driver, self._answers, self._way_on("resume", run_id))

    async def signal(self, run_id: str, decision: Decision, *, token: str | None = None) -> None:
        """Writes a person's decision down; when the question is answered with it, the step goes on.

        Raises `NotTakenUp` when the decision is written down, and the step was not seen to go on.
        """
        decision = vouched(self._directory, decision, token)
        await people.decide(self._ledger, run_id, decision, self._way_on("show", run_id))
        key = StepKey(run_id, decision.step, decision.item)
        if answer := await self._answer(key):
            try:
                with self._written_down(run_id):
                    driver = await self._driver_of(run_id)
                    await driver.go_on(top_of(run_id), {key: answer})
            except NotTakenUp:
                if await self._answer(key):
                    raise  # else the step has gone on with it all the same

    async def cancel(self, run_id: str, *, by: str, token: str | None = None) -> None:
        """Writes down that the run is to stop, which every step that begins looks at; then stops what is at work."""
        await self._whole(self._ledger, run_id)
        by = vouched_name(self._directory, by, token, "cancel")
        closed = await self._ledger.closed(run_id)
        if closed is not None:
            raise EngineError(f"{run_id} cannot be cancelled, it has ended: {closed.phase}")
        await people.cancel(self._ledger, run_id, by, self._now().isoformat())
        with self._written_down(run_id):
            driver = await self._driver_of(run_id)
            await driver.stop(run_id)

    async def run(self, run_id: str) -> RunView:
        """Returns when the run has ended or only waits for people; one that was never begun is begun."""
        await self.go_on(run_id)
        async for _ in self.watch(run_id):
            pass
        return self.view(run_id)

    async def go_on(self, run_id: str) -> None:
        """Gives a run that has not ended to its driver once more: what is at work there goes on, what is not begins."""
        run = await self._whole(self._ledger, run_id)
        if await self._ledger.closed(run_id) is None:
            driver, plan = await self._driver_of(run_id), await self._ledger.plan(run_id)
            results = await self._results(self._ledger, run_id)
            await driver.start(run, plan, _kept(plan, results))
            with suppress(NotTakenUp):  # whoever follows the run does it again
                if await is_to_stop(self._ledger, run_id):
                    await driver.stop(run_id)
                await driver.go_on(run_id, await self._answers(run_id))

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts are: at the bucket, with copies here."""
        return self._reader.contents

    def on_stored(self, tell: Callable[[RunRecord], object]) -> None:
        """From now on `tell` hears of each run that is stored, before the driver is given it."""
        self._tell_stored = tell

    def who_works(self, run_id: str) -> str:
        """The driver of the run; empty when it was given to none."""
        try:
            address = self._read(people.address_of(self._reader, top_of(run_id)))
        except EngineError:
            return ""
        return f"{address.engine} ({address.where})"

    async def hold(self) -> None:
        """Raises `DataDirectoryHeld`: what works on runs is never this process."""
        raise DataDirectoryHeld(f"runs at {self.address} are worked on elsewhere")

    def server(self) -> int | None:
        """No process of this machine works on runs at a bucket."""
        return None

    def holder(self) -> int | None:
        """No process of this machine holds them."""
        return None

    def crowded(self, run_id: str, limits: Limits | None = None) -> Mapping[str, Crowded]:  # noqa: ARG002 - the protocol
        """What steps have to wait for is known by what starts them."""
        return {}

    def view(self, run_id: str) -> RunView:
        """The run as it stands; raises `UnknownRun`."""
        return self._read(run_view(self._reader, run_id))

    def runs(self, *, children: bool = False) -> Sequence[RunSummary]:
        """All runs, newest first; with `children` also those that are part of another one."""
        return self._read(listing.summaries(self._reader, children=children))

    def prune(self, before: datetime, keep: int = 0, *, dry_run: bool = False) -> Pruned:
        """Removes runs that ended before that time, but for the newest `keep` ones (see `upkeep.prune`)."""
        return self._read(upkeep.prune(self._opened(), before, keep, dry_run=dry_run))

    def examine(self, *, whole: bool = True) -> Iterator[Finding]:
        """What is broken, and what is not; with `whole`, every stored byte is read."""
        yield identity(self._directory)
        yield from self._read(upkeep.examine(self._opened(), whole=whole))

    def logs(self, run_id: str, step: str | None = None) -> Iterator[LogChunk]:
        """What the attempts wrote, in the order of their starts; of one at work, all but the last seconds of it."""
        return iter(self._read(listing.logs(self._reader, run_id, step)))

    def artifacts(self, run_id: str) -> Mapping[str, Artifact]:
        """The files and folders that the run made, by name."""
        return artifacts_of(self.view(run_id))

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Writes a copy of an artifact into a folder and returns its path; raises `OSError`."""
        return own_copy(self._reader.contents, artifact, folder)

    def _starting(self, submitter: str, old: RunRecord, token: str | None) -> Submitter:
        """Who starts a run again: who says so, else who started the old one."""
        name = vouched_name(self._directory, submitter or old.submitter, token, "start a run")
        return Submitter(name) if submitter else replace(old.started_by, name=name)

    async def _submit(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        submitter: Submitter,
        *,
        files: Mapping[str, bytes] | None = None,
        source: str,
        taken_over: TakenOver | None = None,
    ) -> str:
        if self._driver is None:
            raise EngineError(f"nothing here starts the steps of runs at {self.address}; name it: `--engine argo`")
        at = self._now()
        run = RunRecord(
            id=f"r-{at:%Y%m%d-%H%M}-{self._token()}",
            capsule=plan.capsule.name,
            plan_digest="",
            submitter=submitter.name,
            submitter_labels=list(submitter.labels),
            inputs=dict(inputs),
            created_at=at,
            retry_of="" if taken_over is None else taken_over.old.id,
            source=source,
        )
        address, results = self._driver.address(run.id), [] if taken_over is None else taken_over.results
        decisions = [] if taken_over is None else taken_over.decisions
        await people.submit(self._ledger, run, plan, files, address=address, results=results, decisions=decisions)
        self._tell_stored(run)
        try:
            await self._driver.start(run, plan, _kept(plan, results))
        except EngineUnreachable as error:  # perhaps it has taken the run, and its answer was lost
            resume = self._way_on("resume", run.id)
            raise EngineUnreachable(
                f"{run.id} is stored and may not have begun: {error}; go on with: {resume}"
            ) from error
        except EngineError as error:
            resume = self._way_on("resume", run.id)
            raise EngineError(f"{run.id} is stored and has not begun: {error}; begin with: {resume}") from error
        return run.id

    async def _taken_over(
        self,
        ledger: ObjectLedger,
        run: RunRecord,
        step: str,
        *,
        plan: Plan | None,
        inputs: Mapping[str, Any] | None,
        submitter: str,
    ) -> TakenOver:
        results = await self._results(ledger, run.id)
        decisions = decisions_in(await ledger.deeds.all(run.id))
        listed = await ledger.bucket.names(names.top_folder(run.id))
        runs = {name.split("/")[2] for name in listed} - {run.id}
        inside = [one for child in sorted(runs) for one in decisions_in(await ledger.deeds.all(child))]
        old = OldRun(run, await ledger.plan(run.id), results, decisions, inside)
        return take_over(old, step, plan, inputs, submitter)

    async def _answers(self, run_id: str) -> dict[StepKey, str]:
        """What has been answered in the run, and in those inside it, and not been looked at."""
        listed = await self._ledger.bucket.names(names.top_folder(run_id))
        keys = [
            key
            for run in sorted({name.split("/")[2] for name in listed})
            for key in names.keys_in(run, [one for one in listed if one.startswith(f"{names.step_folder(run)}/")])
        ]
        answers = await at_once([self._answer(key) for key in keys])
        return {key: answer for key, answer in zip(keys, answers, strict=True) if answer}

    async def _answer(self, key: StepKey) -> str:
        """How the question that the step asked last was answered, in words; empty when it was not, or it asks none.

        Nor does it when an attempt has begun since: that one has read the answer, or asks itself.
        """
        ends = await self._ledger.attempts_of.ends(key)
        last = ends[-1] if ends else None
        if last is None or last.attempt is None or last.result is not None or last.attempt.waiting is None:
            return ""
        decisions = decisions_on(await self._ledger.deeds.all(key.run), key)
        submitter = (await self._ledger.deeds.run(key.run)).started_by
        end = outcome(last.attempt.waiting, decisions, submitter=submitter, now=self._now())
        if end is None or await self._ledger.attempts_of.begun_after_seen(key) is not None:
            return ""
        who = ", ".join(one.by for one in end.deciding)
        return f"{end.kind} by {who}" if who else "nobody decided in time"

    @contextmanager
    def _written_down(self, run_id: str) -> Iterator[None]:
        """What fails from here on takes nothing back."""
        try:
            yield
        except EngineError as error:
            resume = self._way_on("resume", top_of(run_id))
            raise NotTakenUp(f"{error}; it is written down and counts, and the run goes on with: {resume}") from error

    async def _driver_of(self, run_id: str, ledger: ObjectLedger | None = None) -> Driver:
        """What starts the steps of this run."""
        address = await people.address_of(ledger or self._ledger, top_of(run_id))
        if self._driver is not None and self._driver.address(top_of(run_id)) == replace(address, begun_by=""):
            return self._driver
        if self._drivers is None:
            raise EngineError(f"{run_id} is worked on by {address.engine}, {address.where}, which is not known here")
        return self._drivers(address)

    @staticmethod
    async def _whole(ledger: ObjectLedger, run_id: str) -> RunRecord:
        """Raises `EngineError` for a run that is part of another one: only the whole is gone on with, or stopped."""
        run = await ledger.deeds.run(run_id)
        if run.parent is not None:
            raise EngineError(f"{run_id} is a part of {top_of(run_id)}; name that run instead")
        return run

    @staticmethod
    async def _results(ledger: ObjectLedger, run_id: str) -> list[StepResult]:
        keys = await ledger.attempts_of.keys(run_id)
        ended = [ends[-1].result for ends, _ in await ledger.attempts_of.of(keys) if ends]
        return [result for result in ended if result is not None]

    def _opened(self) -> ObjectLedger:
        says, self._says = self._says, None  # once
        bucket = Bucket(self.address, says=says)
        contents = Contents(self._directory / "contents", origin=BucketContents(bucket))
        return ObjectLedger(bucket, contents, self._now)

    def _read(self, question: Coroutine[Any, Any, T]) -> T:
        """The answer, in a thread with an event loop of its own: whoever asks may be in one."""
        try:
            with ThreadPoolExecutor(1, "somagent-read") as thread:
                return thread.submit(asyncio.run, question).result()
        except MsgspecError as error:
            doctor = self._way_on("doctor")
            raise EngineError(
                f"something at {self.address} cannot be read ({error}); `{doctor}` says of which run"
            ) from error


def _nobody(run: RunRecord) -> None:
    """Is told of it."""


def _kept(plan: Plan, results: Sequence[StepResult]) -> frozenset[str]:
    """Steps that need not begin: those of `finally` run in every run, and close it."""
    ended = {result.key.step for result in results if result.key.item < 0}
    return frozenset(node.id for node in plan.nodes if node.id in ended)
