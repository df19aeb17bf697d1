"""Cases run one after the other on one engine in one fresh folder, which is gone when they have ended."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan
from somagent.operators.operator import Operator
from somagent.operators.runner.records import NO_ITEM, Decision, StepKey
from somagent.workflows.engines.clock import Clock, utc_now
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import DecisionRefused, EngineError, RunView, StepView
from somagent.workflows.inputs import InputsRefused, accept_inputs
from somagent.workflows.testing.answering import Desk, address_of, answering, declares_end, without_answered_capsules
from somagent.workflows.testing.judging import Judged, Ran, judge
from somagent.workflows.testing.model import Case, DecisionAnswer
from somagent.workflows.testing.reading import TestFile


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case."""

    file: TestFile
    number: int
    case: Case
    judged: Judged
    took_s: float
    view: RunView | None  # None: there was no run
    answered: tuple[str, ...] = ()  # addresses of steps that were not real

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.judged.failures


@dataclass(slots=True)
class _Time:
    """The engine's clock, which a case may set on to a due date."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return utc_now() + self.ahead

    def reach(self, due: datetime) -> None:
        self.ahead += max(due - self.now(), timedelta()) + timedelta(seconds=1)


async def run_file(
    file: TestFile, wanted: Sequence[int], operators: Mapping[str, Operator], *, real: bool, update_snapshots: bool
) -> AsyncIterator[CaseResult]:
    """Runs the cases of these numbers; with `real`, no answers but those of people are taken."""
    desk, clock = Desk(file.text.path.absolute().parent), _Time()
    with tempfile.TemporaryDirectory(prefix="somagent-test-", ignore_cleanup_errors=True) as folder:
        asked = dict(operators) if real else answering(operators, desk)
        async with LocalEngine(Path(folder), asked, clock=Clock(now=clock.now)) as engine:
            for number in wanted:
                case, started = file.cases[number], time.monotonic()
                ran = await _run_case(file, case, engine, desk, clock, real=real)
                judged = judge(file, number, ran, folder, update_snapshots=update_snapshots)
                view = ran.view
                answered = tuple(desk.answered.get(view.run.id, ())) if view is not None else ()
                yield CaseResult(file, number, case, judged, time.monotonic() - started, view, answered)


async def _run_case(file: TestFile, case: Case, engine: LocalEngine, desk: Desk, clock: _Time, *, real: bool) -> Ran:
    plan = file.subject.plan
    if case.expect.diagnostics is not UNSET or plan is None:
        return Ran(None)
    try:
        accepted = accept_inputs(_of_real_steps(plan, case, real=real), case.inputs, file.text.path.absolute().parent)
    except InputsRefused as refused:
        return Ran(None, refused=refused.problems)
    tested = plan if real else without_answered_capsules(plan, case)
    try:
        run_id = await engine.submit(tested, accepted, submitter=case.submitter, files=file.subject.contents)
        desk.cases[run_id] = case
        view = await engine.run(run_id)
        notes = []
        left = {name: list(one.decisions or ()) for name, one in case.answers.items()}
        while view.phase == "Waiting" and (waiting := list(_waiting(view, view.run.id))):
            decided = False
            for step, key in waiting:
                declared = left.get(address_of(view.run.id, key))
                if declared:
                    decided = True
                    notes += await _decide(engine, step, key, declared.pop(0), clock)
            if not decided:
                break
            view = await engine.run(run_id)
    except EngineError as error:
        return Ran(None, fault=str(error))
    return Ran(view, notes=tuple(notes))


def _of_real_steps(plan: Plan, case: Case, *, real: bool) -> Plan:
    """The plan with those secrets only that a step needs which is run."""
    if real or not plan.secrets:
        return plan
    needed = {
        name.partition(".")[2]
        for node in (*plan.nodes, *plan.finals)
        if not ((answer := case.answers.get(node.id)) is not None and declares_end(answer))
        for name in node.secrets
    }
    return replace(plan, secrets={name: use for name, use in plan.secrets.items() if name in needed})


def _waiting(view: RunView, run: str) -> Iterator[tuple[StepView, StepKey]]:
    """The steps that people are asked about, in the run and in those inside it."""
    for step in view.steps:
        for one in step.items or [step]:
            if one.inner is not None and one.inner.phase == "Waiting":
                yield from _waiting(one.inner, one.inner.run.id)
            elif one.phase == "Waiting" and one.waiting is not None:
                yield one, StepKey(run, one.id, one.item)


async def _decide(
    engine: LocalEngine, step: StepView, key: StepKey, declared: DecisionAnswer, clock: _Time
) -> list[str]:
    """Writes a decision down; why it was refused, if it was."""
    if declared.decision == "timeout":
        if step.waiting is None or step.waiting.due is None:
            return [f"`{step.id}` has no due date, so its time is never up"]
        clock.reach(step.waiting.due)
        return []
    decision = Decision(
        step=key.step,
        item=key.item,
        by=declared.by,
        groups=declared.groups,
        approve=declared.decision == "approve",
        comment=declared.comment,
        at=clock.now(),
    )
    try:
        await engine.signal(key.run, decision)
    except DecisionRefused as refused:
        name = step.id if key.item == NO_ITEM else f"{step.id}/{key.item}"
        return [f"the decision of {declared.by} on `{name}` was refused: {refused}"]
    return []
