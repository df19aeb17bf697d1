"""The local engine: runs plans in this process, on a journal that survives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Plan, encode_plan, plan_digest
from somagent.operators.capsule import CapsuleArgs
from somagent.operators.operator import Answer, Operator, Park, Step
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.records import Artifact, Decision, Failure, Phase, RunRecord, StepKey, StepResult
from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines import events, rules
from somagent.workflows.engines.artifacts import artifacts_of, own_copy
from somagent.workflows.engines.capsule_files import store_files
from somagent.workflows.engines.children import Children
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.execution import Execution
from somagent.workflows.engines.lease import LENGTH_S, taken_over
from somagent.workflows.engines.local import reading, submission
from somagent.workflows.engines.local.crowding import Crowded, crowded
from somagent.workflows.engines.local.faults import storing
from somagent.workflows.engines.local.following import Following, Told, following
from somagent.workflows.engines.local.journal import Journal, cut_off
from somagent.workflows.engines.local.recovery import recover
from somagent.workflows.engines.local.rows import RunRow, encode
from somagent.workflows.engines.local.sqlite import SqliteStore
from somagent.workflows.engines.local.store import Db, Lease, Store
from somagent.workflows.engines.local.writer import Crash, Name, survive
from somagent.workflows.engines.parked import is_at_the_end, news
from somagent.workflows.engines.protocol import (
    DataDirectoryHeld,
    EngineError,
    Event,
    LogChunk,
    RunHeld,
    RunSummary,
    RunView,
    StorageFull,
    spelled,
)
from somagent.workflows.engines.slots import NO_LIMITS, Limits, Slots
from somagent.workflows.engines.sub_capsules import NAME, capsule_operator
from somagent.workflows.engines.taking_over import OldRun, TakenOver, take_over
from somagent.workflows.engines.vouching import vouched, vouched_name
from somagent.workflows.engines.watching import Observer, Watch, Watches

_LISTEN_S = 0.15  # how often a process at work looks whether another one wrote


class LocalEngine:
    """Runs plans in the data directory `directory` with these operators; an `Engine` (see `protocol`).

    Reading makes nothing: no directory, no lease. `submit`, `signal` and `cancel` write, beside a process at work
    too; `run` needs the lease. `parallel` limits the attempts at work at once (default: twice the cores, at least 4),
    `limits` those that use the same thing.
    Errors are `EngineError`s whose message says what to do; `way_on` spells the commands in them. `around` is put
    around every operator, that of capsule steps too. Who gives no sign for `lease_s` can be taken over. `observer` is
    told of all that happens. Close it, or use it as an async context manager.
    """

    is_here = True

    def __init__(
        self,
        directory: Path,
        operators: Mapping[str, Operator],
        *,
        clock: Clock | None = None,
        parallel: int | None = None,
        token: Callable[[], str] = lambda: os.urandom(2).hex(),
        crash: Crash = survive,
        way_on: Callable[..., str] = spelled,
        around: Callable[[Operator], Operator] = lambda operator: operator,
        lease_s: float = LENGTH_S,
        store: Store | None = None,
        limits: Limits = NO_LIMITS,
        observer: Observer | None = None,
    ) -> None:
        self._way_on = way_on
        self._directory = directory.absolute()
        self.store: Store = store or SqliteStore(self._directory)
        every = {**operators, NAME: capsule_operator(self._run_inside)}
        self._operators = {name: around(operator) for name, operator in every.items()}
        self._clock = clock or Clock()
        self.limits = limits
        self._slots = Slots(parallel or max(4, 2 * (os.cpu_count() or 1)), limits, self._clock.monotonic)
        self._token, self._crash, self._lease_s = token, crash, lease_s
        self._observer, self._watches = observer, Watches(observer)
        self._journal: Journal | None = None
        self._lease: Lease | None = None
        self._holding = asyncio.Lock()
        self._executions: dict[str, Execution] = {}
        self._claimed: set[str] = set()
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LocalEngine:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the journal and gives the lease back; no run may be at work."""
        journal, self._journal = self._journal, None
        lease, self._lease = self._lease, None
        if self._observer is not None:
            self._observer.close()
        if journal is not None:
            journal.close()
        if lease is not None:
            lease.release()
        self.store.close()

    def check(self, plan: Plan) -> None:
        """Raises `EngineError` when the plan has a step that this version checks and does not run."""
        rules.check_runnable(plan, self._operators)

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
        """Stores the plan, its files (content by path) and inputs as a new run and returns the run's id."""
        submitter = vouched_name(self._directory, submitter, token, "start a run")
        self._store(plan, files)
        return await self._submit(plan, inputs, submitter, source=source)

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
        """A new run that takes over what can be kept (`taken_over` says what)."""
        who = vouched_name(self._directory, submitter or self._known(run_id).run.submitter, token, "start a run")
        new = self.taken_over(run_id, step, plan=plan, inputs=inputs, submitter=who)
        if plan is not None:
            self._store(plan, files or {})
        rows = {"results": new.results, "decisions": new.decisions, "stands_on": run_id}
        return await self._submit(new.plan, new.inputs, who, source=new.old.source, retry_of=run_id, **rows)

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
        with reading.opened(self.store) as rows, rows.snapshot():
            inside = [decision for run in rows.inside(run_id) for decision in rows.decisions(run)]
            results, decisions = rows.results(run_id), rows.decisions(run_id)
            old = OldRun(rows.run(run_id).run, rows.plan(run_id), results, decisions, inside)
        submission.check_whole(old.run)
        return take_over(old, step, plan, inputs, submitter or old.run.submitter)

    async def rerun(self, run_id: str, *, submitter: str = "", token: str | None = None) -> str:
        """A new run of the same plan and inputs that takes nothing over."""
        with reading.opened(self.store) as rows, rows.snapshot():
            old, plan = rows.run(run_id).run, rows.plan(run_id)
        submission.check_whole(old)
        who = vouched_name(self._directory, submitter or old.submitter, token, "start a run")
        return await self._submit(plan, old.inputs, who, source=old.source, stands_on=run_id)

    def watch(self, run_id: str) -> Watch:
        """What happens in this process from now on, until the run ends, is stopped, or only waits for people."""
        return self._watches.add(run_id)

    def following(
        self, run_id: str, *, told: Told | None = None, pause: Callable[[], Awaitable[object]] | None = None
    ) -> AbstractContextManager[Following]:
        """What happens to the run, whoever works on it (see `Following`); raises `UnknownRun`."""
        return following(self.store, run_id, self._clock.now, told=told, pause=pause)

    async def signal(self, run_id: str, decision: Decision, *, token: str | None = None) -> None:
        """Writes a person's decision down; raises `DecisionRefused`. A process at work on the run goes on with it."""
        run = self._known(run_id).run
        decision = vouched(self._directory, decision, token)
        write = partial(
            submission.write_decision,
            run=run,
            decision=decision,
            show=self._way_on("show", run_id),
            at_the_end=is_at_the_end(self._writable().rows, run, decision.step),
        )
        await self._writable().write("signal", write)
        self._watches.tell(events.decided(run_id, decision))
        self._look(run)

    async def cancel(self, run_id: str, *, by: str, token: str | None = None) -> None:
        """Asks the run to stop. A process at work on it does so at once; else the next `run` ends it."""
        submission.check_whole(self._known(run_id).run)
        by = vouched_name(self._directory, by, token, "cancel")
        at = self._clock.now()
        await self._writable().write("cancel", lambda db: submission.write_cancel(db, run_id, by, at))
        if run_id in self._executions:
            self._executions[run_id].look()

    async def hold(self, *, serves: bool = False) -> None:
        """Takes the lease, so that `run` will find it; raises `DataDirectoryHeld`.

        Attempts that a dead process, or one that was stopped for too long, left open are closed as cut off. Others are
        told of a holder that `serves`: it works on whatever is submitted.
        """
        async with self._holding:
            if self._lease is not None:
                return
            journal, lease = self._writable(), self.store.lease(self._lease_s, serves=serves)
            with storing(self._directory):
                journal.rows.check_free(serves=serves)
            lost = partial(asyncio.get_running_loop().call_soon_threadsafe, self._lost)
            try:
                with storing(self._directory):
                    journal.writer.epoch = await journal.write("lease", lease.take)
                lease.keep(lost)
                if not self.store.shared:
                    await self._recover(journal, lambda _: lease.worked_until)
                with storing(self._directory):
                    lease.begin_work()
            except BaseException:
                journal.writer.epoch = None
                lease.release()
                raise
            self._lease = lease

    async def go_on(self, run_id: str) -> None:
        """Nothing: `run` goes on with it, in this process."""

    async def claim(self, runs: Sequence[str], limit: int) -> Sequence[str]:
        """Those of the runs, at most so many, that this process alone works on from now on; `run` each of them."""
        if self.store.shared:
            journal, epoch = self._writable(), self._writable().writer.epoch or 0
            claimed: Mapping[str, datetime | None] = await journal.write(
                "claim", lambda db: self.store.claim(db, runs, epoch, limit)
            )
            begun = [run_id for run_id in claimed if journal.rows.run(run_id).started_at is not None]
            if begun:  # by a worker that has lost them, perhaps
                await self._recover(journal, claimed.get, begun)
        else:  # whoever holds the lease works on all of them
            claimed = dict.fromkeys(runs[:limit])
        self._claimed |= set(claimed)
        return list(claimed)

    async def run(self, run_id: str) -> RunView:
        """Works on the run until it has ended or only waits for people; ended runs are left as they are.

        Raises `DataDirectoryHeld` when another process holds the lease and `StorageFull` when there is no room to
        write; then, and when it is cancelled, the run can be gone on with.
        """
        await self.pursue(run_id)
        return self.view(run_id) if self._journal is None else reading.run_view(self._journal.rows, run_id)

    async def pursue(self, run_id: str) -> RunRow:
        """The same, for who needs no view of it."""
        row = self._known(run_id)
        submission.check_whole(row.run)
        if row.ended_at is None:
            await self.hold()
            if run_id not in self._claimed:
                if not await self.claim([run_id], 1):
                    raise RunHeld(f"another process works on {run_id}")
                row = self._known(run_id)
            self._claimed.discard(run_id)
        if run_id in self._executions:
            raise EngineError(f"this process is at work on {run_id} already")
        if row.ended_at is None:
            try:
                with storing(self._directory):
                    await self._work(row.run)
                    await self._take_in(row.run)
            except StorageFull as error:
                way_on = f"nothing recorded is lost; make room, then go on with: {self._way_on('resume', run_id)}"
                raise StorageFull(f"{error}; {way_on}") from error
            except DataDirectoryHeld:
                if not self._executions:
                    self.close()  # so that the lease can be asked for again
                raise
            except EngineError:
                await self._leave(run_id)  # another worker may be able to
                raise
        return self._known(run_id)

    def check_lease(self) -> None:
        """Raises `DataDirectoryHeld` when another process took over."""
        if self._lease is None or self._lease.is_lost():
            raise taken_over(self.store.where)

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts of runs are."""
        return Contents(self._directory / "contents")

    def on_stored(self, tell: Callable[[RunRecord], object]) -> None:
        """Runs are given to nobody else."""

    def who_works(self, run_id: str) -> str:  # noqa: ARG002 - one that serves works on all runs
        """The process that works on whatever is submitted."""
        pid = self.server()
        return "" if pid is None else f"process {pid}"

    def server(self) -> int | None:
        """The process that works on whatever is submitted, if there is one."""
        return reading.server(self.store)

    def holder(self) -> int | None:
        """A process that is at work here, if one is."""
        return reading.holder(self.store)

    def crowded(self, run_id: str, limits: Limits | None = None) -> Mapping[str, Crowded]:
        """What each step of the run would have to wait for, by its name; `limits`, when others work on it."""
        with reading.opened(self.store) as rows, rows.snapshot():
            return crowded(rows, run_id, limits or self.limits, self._slots.wait_s if limits is None else lambda _: 0.0)

    def begin_nothing(self) -> None:
        """From now on no attempt begins; those at work go on, and `run` goes on waiting until it is cancelled."""
        self._slots.close()

    @property
    def places(self) -> int:
        """How many attempts may be at work at once."""
        return self._slots.places

    @property
    def at_work(self) -> int:
        """Attempts at work."""
        return self._slots.at_work

    def view(self, run_id: str) -> RunView:
        """The run as it stands; raises `UnknownRun`."""
        with reading.opened(self.store) as rows:
            return reading.run_view(rows, run_id)

    def runs(self, *, children: bool = False) -> Sequence[RunSummary]:
        """All runs, newest first; with `children` also those that are part of another one."""
        return reading.summaries(self.store, children=children)

    def logs(self, run_id: str, step: str | None = None) -> Iterator[LogChunk]:
        """What the attempts wrote, in the order of their starts."""
        return reading.logs(self.store, run_id, step)

    def artifacts(self, run_id: str) -> Mapping[str, Artifact]:
        """The files and folders that the run made, by name."""
        return artifacts_of(self.view(run_id))

    def fetch(self, artifact: Artifact, folder: Path) -> Path:
        """Writes a copy of an artifact into a folder and returns its path; raises `OSError`."""
        return own_copy(self.contents, artifact, folder)

    async def _work(self, run: RunRecord, stopped_for: Failure | None = None) -> None:
        journal = self._writable()
        plan = await journal.plan(run.id)
        left = plan.finals if journal.rows.cancelled_by(run.id) else (*plan.nodes, *plan.finals)
        if run.parent is None:
            rules.check_operators(plan, left, journal.rows.phases(run.id), self._operators)
        attempt = {
            "operators": self._operators,
            "workspace": self._directory / "work",
            "log": lambda key, number: StepLog(reading.log_path(self._directory, key, number)),
        }
        clock = self._clock.after(run.created_at, *journal.rows.times(run.id))
        execution = Execution(
            run,
            plan,
            journal,
            clock=clock,
            slots=self._slots,
            children=self._children(journal),
            attempt=attempt,
            stopped_for=stopped_for,
        )
        self._executions[run.id] = execution
        try:
            await self._mark(run.id, "start", "Running", clock.now())
            self._listener = self._listener or asyncio.create_task(self._listen(journal))
            phase, outcome = await execution.execute(), None
            if phase != "Waiting":
                phase, outcome = await rules.outcome_of(plan, run, journal, phase)
            await self._mark(run.id, "close", phase, clock.now(), outcome)
        except BaseException:
            with contextlib.suppress(EngineError):  # the one that is on its way says what happened
                await self._mark(run.id, "stop", "Pending", clock.now())
            raise
        finally:
            del self._executions[run.id]
            alone = not self.store.shared and self._lease is not None and not self._lease.is_lost()
            if not self._executions and alone:
                await self._remove_copies(journal)
            if not self._executions and self._listener is not None:
                listener, self._listener = self._listener, None
                listener.cancel()
                await asyncio.wait([listener])

    async def _take_in(self, run: RunRecord) -> None:
        """Goes on with what people wrote while the run parked: they were told that somebody is at work on it."""
        rows, before = self._writable().rows, None
        while (row := rows.run(run.id)).ended_at is None and row.phase == "Waiting":
            found = news(rows, run.id, self._clock.now())
            has_news = reading.is_to_stop(rows, run.id) or (found.ready and found != before)
            if not has_news or not await self.claim([run.id], 1):
                return
            self._claimed.discard(run.id)
            before = found
            await self._work(run)

    def _children(self, journal: Journal) -> Children:
        async def make(
            run: RunRecord, plan: Plan, results: Sequence[StepResult], decisions: Sequence[Decision]
        ) -> None:
            content = encode_plan(plan)
            write = partial(submission.write_child, run=run, plan=content, results=results, decisions=decisions)
            await journal.write("child", write)

        return Children(journal.rows, self._executions, self._work, make, self._clock.now)

    async def _run_inside(self, arguments: CapsuleArgs, step: Step) -> Answer | Park:
        return await self._children(self._writable()).run(arguments, step)

    def _look(self, run: RunRecord) -> None:
        """Has the run, and those that it is a part of, look at what people wrote down, where they are at work."""
        if run.id in self._executions:
            self._executions[run.id].look()
        if run.parent is not None:
            self._look(self._known(run.parent.run).run)

    async def _recover(
        self, journal: Journal, last_sign: Callable[[str], datetime | None], runs: Sequence[str] = ()
    ) -> None:
        now = self._clock.now()
        left_behind = await recover(journal, self._operators, self._directory, now, last_sign=last_sign, runs=runs)
        if left_behind and self._observer is not None:
            self._observer.took_over()

    async def _leave(self, run_id: str) -> None:
        """Lets others claim a run that could not be begun."""
        if not self.store.shared:
            return
        leave = "UPDATE runs SET epoch = 0 WHERE id = ? AND phase != 'Running'"
        with contextlib.suppress(EngineError):
            await self._writable().write("stop", lambda db: db.execute(leave, (run_id,)).rowcount)

    async def _mark(
        self, run_id: str, name: Name, phase: Phase, now: datetime, outcome: rules.Outcome | None = None
    ) -> None:
        """Writes how far the run as a whole is; then tells."""
        journal = self._writable()
        at = now.isoformat()
        end = (at, encode(outcome)) if outcome is not None else (None, None)
        epoch = journal.writer.epoch if phase == "Running" else 0

        def write(db: Db) -> None:
            if name == "stop":
                cut_off(db, [run_id], now, "stopped before it was done")
            db.execute(
                "UPDATE runs SET phase = ?, epoch = ?, started_at = coalesce(started_at, ?), ended_at = ?, outcome = ? "
                "WHERE id = ? AND ended_at IS NULL",
                (phase, epoch, at, *end, run_id),
            )

        await journal.write(name, write, flush=name != "start")
        message = outcome.failure.message if outcome is not None and outcome.failure is not None else ""
        self._watches.tell(Event(at=now, key=StepKey(run_id, ""), kind="run", phase=phase, message=message))

    async def _remove_copies(self, journal: Journal) -> None:
        """Artifacts that steps read were copied for them; between runs they would only take room."""
        retired = self._directory / "work" / f"copies-{os.urandom(4).hex()}"
        with contextlib.suppress(OSError):
            journal.contents.retire_copies(retired)
            if retired.exists():
                await in_thread(remove_tree, retired)

    async def _listen(self, journal: Journal) -> None:
        """Notices decisions and cancellations that other processes wrote, and due dates that passed."""
        try:
            seen = journal.rows.version()
            while True:
                await asyncio.sleep(_LISTEN_S)
                changed = seen != (seen := journal.rows.version())
                for execution in list(self._executions.values()):
                    if changed or execution.has_due_dates():
                        execution.look()
        except EngineError as error:
            for execution in self._executions.values():
                execution.fail(error)

    def _lost(self) -> None:
        """Ends everything at work: another process took over, and goes on with it."""
        for execution in self._executions.values():
            execution.fail(taken_over(self.store.where))

    def _store(self, plan: Plan, files: Mapping[str, bytes]) -> None:
        self.check(plan)
        with storing(self._directory):
            store_files(self._writable().contents, plan, files)

    async def _submit(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        submitter: str,
        *,
        source: str,
        retry_of: str = "",
        **taken_over: Any,
    ) -> str:
        run = RunRecord(
            id="",
            capsule=plan.capsule.name,
            plan_digest=plan_digest(plan),
            submitter=submitter,
            inputs=dict(inputs),
            created_at=self._clock.now(),
            retry_of=retry_of,
            source=source,
        )
        write = partial(submission.write_run, run=run, plan=encode_plan(plan), token=self._token, **taken_over)
        return await self._writable().write("submit", write)

    def _known(self, run_id: str) -> RunRow:
        if self._journal is not None:
            return self._journal.rows.run(run_id)
        with reading.opened(self.store) as rows:
            return rows.run(run_id)

    def _writable(self) -> Journal:
        if self._journal is None:
            with storing(self._directory):
                submission.prepare(self._directory)
                self._journal = Journal(self.store, self._watches.tell, self._crash)
        return self._journal
