"""Cases run one after the other on one engine in one fresh folder, which is gone when they have ended."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec import UNSET, Struct, field
from msgspec.structs import replace
from msgspec.structs import replace as with_fields

from somagent.capsule_compiler.model.quantities import duration_ms, show_duration
from somagent.capsule_compiler.plan import Plan
from somagent.operators.operator import Operator
from somagent.operators.runner.records import NO_ITEM, Decision, StepKey
from somagent.workflows.engines.clock import Clock, utc_now
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import DecisionRefused, EngineError, RunView, StepView
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.inputs import InputsRefused, accept_inputs
from somagent.workflows.testing.answering import (
    Desk,
    Notes,
    address_of,
    asking,
    declares_end,
    without_waits,
)
from somagent.workflows.testing.judging import Judged, Ran, judge
from somagent.workflows.testing.model import Answer, Case, DecisionAnswer
from somagent.workflows.testing.reading import TestFile

DEFAULT_TIMEOUT_MS = 5 * 60 * 1000
_LINES_SHOWN = 10


class CaseResult(Struct, frozen=True):
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


class _Time(Struct):
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
        around = (lambda one: one) if real else partial(asking, desk=desk)
        async with LocalEngine(Path(folder), operators, clock=Clock(now=clock.now), around=around) as engine:
            for number in wanted:
                case, started = file.cases[number], time.monotonic()
                ran = await _run_case(file, case, engine, desk, clock, real=real)
                judged = judge(file, number, ran, folder, update_snapshots=update_snapshots)
                if judged.failures and ran.view is not None:
                    judged = replace(judged, notes=(*judged.notes, *_written(engine, ran.view)))
                yield CaseResult(file, number, case, judged, time.monotonic() - started, ran.view, ran.answered)


async def _run_case(file: TestFile, case: Case, engine: LocalEngine, desk: Desk, clock: _Time, *, real: bool) -> Ran:
    plan = file.subject.plan
    if case.expect.diagnostics is not UNSET or plan is None:
        return Ran(None)
    inputs, answers = file.inputs_of(case), file.answers_of(case)
    try:
        accepted = accept_inputs(_of_real_steps(plan, answers, real=real), inputs, file.text.path.absolute().parent)
    except InputsRefused as refused:
        return Ran(None, refused=refused.problems)
    within = show_duration(DEFAULT_TIMEOUT_MS) if case.timeout is UNSET else case.timeout
    try:
        run_id = await engine.submit(
            plan if real else without_waits(plan), accepted, submitter=case.submitter, files=file.subject.contents
        )
        notes = desk.open(run_id, answers)
        left = {name: list(one.decisions or ()) for name, one in answers.items()}
        said: list[str] = []
        fault = ""
        try:
            async with asyncio.timeout(duration_ms(within) / 1000):
                view = await _to_its_end(engine, run_id, left, said, clock)
        except TimeoutError:
            view = engine.view(run_id)
            fault = f"it had not ended after {within}, and was stopped; {_at_work(view)}"
    except EngineError as error:
        return Ran(None, fault=str(error))
    if not real:
        said += _left_over(case, notes, left)
    return Ran(view, fault=fault, notes=tuple(said), answered=tuple(notes.answered), unanswered=notes.unanswered)


async def _to_its_end(
    engine: LocalEngine, run_id: str, left: Mapping[str, list[DecisionAnswer]], said: list[str], clock: _Time
) -> RunView:
    """Runs until nothing is left but waiting for people about whom the case says nothing more."""
    view = await engine.run(run_id)
    while view.phase == "Waiting":
        decided = False
        for step, key in _waiting(view, view.run.id):
            declared = left.get(address_of(view.run.id, key))
            if declared:
                decided = True
                said += await _decide(engine, step, key, declared.pop(0), clock)
        if not decided:
            break
        view = await engine.run(run_id)
    return view


def _at_work(view: RunView) -> str:
    names = ", ".join(f"`{step.id}`" for step in view.steps if step.attempts and step.phase in {"Pending", "Running"})
    return f"at work: {names}" if names else "no step was at work"


def _written(engine: LocalEngine, view: RunView) -> Iterator[str]:
    """The last lines that failed steps wrote, of the run and of those inside it: the folder of logs is soon gone."""
    for step in view.steps:
        for one in step.items or [step]:
            if one.inner is not None:
                yield from _written(engine, one.inner)
            elif one.phase == "Failed":
                chunks = [chunk for chunk in engine.logs(view.run.id, step.id) if chunk.key.item == one.item]
                lines = chunks[-1].text.splitlines()[-_LINES_SHOWN:] if chunks else []
                if lines:
                    yield "\n".join([f"the last lines of `{path_below(view.run.id, chunks[-1].key)}`:", *lines])


def _left_over(case: Case, notes: Notes, left: Mapping[str, list[DecisionAnswer]]) -> Iterator[str]:
    """What the case itself declares and nothing asked for."""
    for address, answer in case.answers.items():
        asked = notes.answered.get(address, set())
        if declares_end(answer) and not asked:
            yield f"the answer for `{address}` was not asked for"
        elif answer.items is not UNSET and len(asked) < len(answer.items):
            yield f"the case answers for {len(answer.items)} items of `{address}`, and was asked for {len(asked)}"
        if left[address]:
            decisions = len(left[address])
            yield f"{decisions} decision{'s' * (decisions > 1)} on `{address}` had nothing to decide"


def _of_real_steps(plan: Plan, answers: Mapping[str, Answer], *, real: bool) -> Plan:
    """The plan with those secrets only that a step needs which is run."""
    if real or not plan.secrets:
        return plan
    needed = {
        name.partition(".")[2]
        for node in (*plan.nodes, *plan.finals)
        if not ((answer := answers.get(node.id)) is not None and declares_end(answer))
        for name in node.secrets
    }
    return with_fields(plan, secrets={name: use for name, use in plan.secrets.items() if name in needed})


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
        outputs=declared.outputs,
        at=clock.now(),
    )
    try:
        await engine.signal(key.run, decision)
    except DecisionRefused as refused:
        name = step.id if key.item == NO_ITEM else f"{step.id}/{key.item}"
        return [f"the decision of {declared.by} on `{name}` was refused: {refused}"]
    return []
