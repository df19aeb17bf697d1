"""Runs inside runs: made when their step first runs, driven by the same process, and ended before their step ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.operators.capsule import CapsuleArgs
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.runner.records import (
    Decision,
    Failure,
    Parent,
    RunRecord,
    StepKey,
    StepResult,
)
from somagent.operators.runner.secrets import granted_secrets
from somagent.workflows.engines.parked import News, news, questions
from somagent.workflows.engines.rules import is_final, spent_by
from somagent.workflows.engines.run_names import child_id
from somagent.workflows.engines.sub_capsules import (
    cancel_this_task,
    child_inputs,
    child_plan,
    failure,
    parked,
    taken_over,
)
from somagent.workflows.engines.written import Rows, RunRow


class AtWork(Protocol):
    """A run at work."""

    def stop(self, why: Failure) -> None: ...
    def fail(self, error: BaseException) -> None: ...
    @property
    def stopped_for(self) -> Failure | None: ...


class Children:
    """The runs inside the runs of an engine."""

    def __init__(
        self,
        rows: Rows,
        at_work: Mapping[str, AtWork],
        work: Callable[[RunRecord, Failure | None], Awaitable[None]],
        make: Callable[[RunRecord, Plan, Sequence[StepResult], Sequence[Decision]], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        """`work` drives a run until it ends or parks, stopped from the start for a reason; `make` writes a new one."""
        self._rows, self._at_work, self._work, self._make, self._now = rows, at_work, work, make, now

    async def run(self, arguments: CapsuleArgs, step: Step) -> Answer | Park:
        """The effect of a step that is a capsule."""
        above = self._at_work[step.run.id]
        try:
            row = await self._begun(arguments, step)
            if row.ended_at is None:
                row = await self._driven(row.run, step)
        except Exception as error:
            if isinstance(error, StepFailure | OSError):
                raise
            above.fail(error)  # not a failure of the step's: the whole run stops, and can be gone on with
            await asyncio.Event().wait()
            raise
        spent = self._spent_now(step.key)
        if row.phase == "Succeeded":  # also when the run around it was stopped while `finally` was at work
            return Answer(row.outcome.outputs, spent)
        if _stopped_for(above, step) is not None and row.phase != "Waiting":
            await cancel_this_task()
        if row.ended_at is not None:
            raise failure(row.run, row.outcome.failure, spent)
        return parked(step, row.run, questions(self._rows, row.run.id))

    def stop(self, key: StepKey, why: Failure) -> bool:
        """Stops the run of this step's capsule, which ends in its own way; False when it is not at work."""
        last = self._last(key)
        running = self._at_work.get(last.run.id) if last is not None else None
        if running is None:
            return False
        running.stop(why)
        return True

    async def end(self, key: StepKey, why: Failure) -> Amounts | None:
        """Ends what the step's capsule has begun, its `finally` steps included; what its runs spent.

        None while people are asked in `finally`, so that it cannot end before they decide.
        """
        last = self._last(key)
        if last is not None and last.ended_at is None:
            await self._work(last.run, why)
            if self._rows.run(last.run.id).ended_at is None:
                return None
        return self.spent(key)

    def spent(self, key: StepKey) -> Amounts:
        """What all runs of the step's capsule spent."""
        total = Amounts()
        for run_id in self._rows.children_of(key):
            total = total.plus(self._rows.spent(run_id))
        return total

    def news(self, run_id: str, now: datetime) -> News:
        """Whether people decided, or a due date passed, somewhere inside a parked run."""
        return news(self._rows, run_id, now)

    async def _begun(self, arguments: CapsuleArgs, step: Step) -> RunRow:
        """The run of the step's capsule: the one there is, or another one when its failure has been told before."""
        last = self._last(step.key)
        if last is not None and not self._is_told(step.key, last):
            return last
        plan = child_plan(step.plan, step.node)
        number = len(self._rows.children_of(step.key)) + 1
        record = RunRecord(
            id=child_id(step.key, number),
            capsule=plan.capsule.name,
            plan_digest=step.node.capsule,
            submitter=step.run.submitter,
            submitter_labels=step.run.submitter_labels,
            inputs=child_inputs(plan, arguments.with_, granted_secrets(step.node, step.plan, step.run)),
            created_at=self._now(),
            parent=Parent(run=step.key.run, step=step.key.step, item=step.key.item),
        )
        before = last or self._of_the_run_before(step)
        results: list[StepResult] = []
        decisions: list[Decision] = []
        if before is not None and (before.run.inputs, before.run.plan_digest) == (record.inputs, record.plan_digest):
            record = replace(record, retry_of=before.run.id)
            results = taken_over(self._rows.results(before.run.id), plan)
            kept = {result.key.step for result in results}
            decisions = [one for one in self._rows.decisions(before.run.id) if one.step in kept]
        making = asyncio.ensure_future(self._make(record, plan, results, decisions))
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])  # whoever gives the step up must find the run, and end it
            if not making.cancelled():
                making.exception()
            raise
        return self._rows.run(record.id)

    async def _driven(self, run: RunRecord, step: Step) -> RunRow:
        above = self._at_work[step.run.id]
        overtime = Failure(failure_class="timeout", message=f"cut off after {round(step.time_s, 1):g} s")
        timer = asyncio.get_running_loop().call_later(step.time_s, self.stop, step.key, overtime)
        try:
            await self._work(run, _stopped_for(above, step))
        finally:
            timer.cancel()
        return self._rows.run(run.id)

    def _last(self, key: StepKey) -> RunRow | None:
        found = self._rows.children_of(key)
        return self._rows.run(found[-1]) if found else None

    def _is_told(self, key: StepKey, row: RunRow) -> bool:
        """Whether the run failed and an attempt of the step has failed for it: then this is another attempt."""
        if row.ended_at is None or row.phase == "Succeeded":
            return False
        failures = [attempt.failure for attempt in self._rows.attempts_of(key)]
        return any(why is not None and why.child == row.run.id for why in failures)

    def _of_the_run_before(self, step: Step) -> RunRow | None:
        """Where the step's run takes over from another run of the same capsule, so do the capsules in it."""
        if step.run.parent is None or not step.run.retry_of:
            return None
        found = self._last(StepKey(step.run.retry_of, step.key.step, step.key.item))
        return found if found is not None and found.ended_at is not None and found.phase != "Succeeded" else None

    def _spent_now(self, key: StepKey) -> Amounts:
        """What was spent since the earlier attempts of the step ended."""
        whole, before = self.spent(key), spent_by(self._rows.attempts_of(key))
        return Amounts(tokens=whole.tokens - before.tokens, cost_micros=whole.cost_micros - before.cost_micros)


def _stopped_for(above: AtWork, step: Step) -> Failure | None:
    """Why the run that the step is of, and what is inside the step with it, is to stop; `finally` is not."""
    return None if is_final(step.plan, step.key.step) else above.stopped_for
