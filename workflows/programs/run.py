"""One run, for programs with an event loop: what happens, what became of it, and what people say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from somagent.operators.deciding import question_of
from somagent.operators.runner.contents import ContentError
from somagent.operators.runner.records import NO_ITEM, Artifact, Decision, StepKey
from somagent.workflows.engines.artifacts import find_artifact
from somagent.workflows.engines.protocol import EngineError, Event, LogChunk, RunView
from somagent.workflows.engines.views import inner_runs
from somagent.workflows.identity import on_whose_word
from somagent.workflows.inputs import accept_inputs, by_argument
from somagent.workflows.named_steps import asked_step, find_step, steps_of
from somagent.workflows.programs.capsule import Capsule, compiled
from somagent.workflows.programs.picture import run_picture
from somagent.workflows.programs.result import Result
from somagent.workflows.pursuing import follow
from somagent.workflows.why import why_failed

if TYPE_CHECKING:
    from somagent.workflows.engines.local.following import Told
    from somagent.workflows.programs.runs import Runs

T = TypeVar("T")
_LOOK_S, _TOGETHER_S = 0.15, 0.01


class Run(Generic[T]):
    """A run. `async for event in run` tells what happens, `await run.result()` what became of it.

    A run that was started or resumed here goes on here by itself, also after `approve`, `reject` and `cancel`; else
    these are written down for whoever works on it. Names of steps are as on the command line: `agree`, `agree/2` of a
    fan-out, `scan/agree` inside a capsule. A notebook shows it as a graph.
    """

    def __init__(self, runs: Runs, run_id: str, outputs: type[T] | None) -> None:
        self._runs, self._outputs = runs, outputs
        self._told: Told = {}
        self.id = run_id

    async def result(self) -> Result[T]:
        """Waits until the run has ended or waits for people.

        It returns as well when nobody is at work on the run (its phase is `Pending`). Raises what the engine met:
        `EngineError`. Who stops waiting does not stop the run.
        """
        task = self._runs.at_work(self.id)
        engine = self._runs.engine
        if task is not None:
            view = await _ended(task) or engine.view(self.id)
        else:
            view = await follow(engine, self.id, None) or engine.view(self.id)
        why = await why_failed(engine, view, self._runs.contents)
        return Result(view, self._outputs, why)

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        """What happens, from the beginning of the run, each event once and after it was made durable.

        It stops when the run has ended or waits for people, with an event of kind `run`; asked again, it goes on.
        """
        return self._events()

    def resume(self) -> Run[T]:
        """Begins to work on the run, unless it has ended; returns at once, with this run."""
        self._runs.begin(self.id)
        return self

    async def approve(
        self,
        step: str,
        *,
        by: str | None = None,
        comment: str = "",
        outputs: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> None:
        """Lets a step that waits for people go on; it is on the disk when this returns.

        `outputs` are the values that the step asks for. Raises `DecisionRefused` and `IdentityRefused`.
        """
        await self._decide(step, by, token, approve=True, comment=comment, outputs=dict(outputs or {}))

    async def reject(self, step: str, *, by: str | None = None, comment: str = "", token: str | None = None) -> None:
        """Stops a step that waits for people; raises as `approve`."""
        await self._decide(step, by, token, approve=False, comment=comment, outputs={})

    async def cancel(self, *, by: str | None = None, token: str | None = None) -> None:
        """Asks the run to stop, and returns when that is written down; what is recorded stays, `finally` runs."""
        who = self._runs.acting(by, token)
        async with self._runs.writing() as engine:
            await engine.cancel(self.id, by=who.name, token=self._runs.proof(token))
            self._runs.go_on(self.id)

    async def retry(
        self,
        step: str = "",
        *,
        capsule: str | Path | Capsule | None = None,
        inputs: Mapping[str, Any] | None = None,
        submitter: str | None = None,
        token: str | None = None,
    ) -> Run[T]:
        """Starts a new run that takes over what succeeded and has not changed; `step` runs again in any case.

        `capsule` is what it stands on now, `inputs` are given instead of those of the run.
        """
        who, plan, files, accepted = self._runs.starting(submitter, token), None, None, None
        if capsule is not None:
            made = await asyncio.to_thread(compiled, capsule, None, self._runs.installation)
            plan, files = made.plan, made.files
        if capsule is not None or inputs:
            before = self.view()
            of = plan or before.plan
            kept = {name: value for name, value in before.run.inputs.items() if name in of.inputs}
            accepted = accept_inputs(of, kept | dict(inputs or {}), Path.cwd(), how=by_argument)
        async with self._runs.writing() as engine:
            new = await engine.retry_from(
                self.id,
                step,
                plan=plan,
                inputs=accepted,
                files=files,
                submitter=who,
                token=self._runs.proof(token),
            )
            self._runs.begin(new)
        return Run(self._runs, new, self._outputs)

    async def rerun(self, *, submitter: str | None = None, token: str | None = None) -> Run[T]:
        """Starts a new run of the same plan and inputs that takes nothing over."""
        who = self._runs.starting(submitter, token)
        async with self._runs.writing() as engine:
            new = await engine.rerun(self.id, submitter=who, token=self._runs.proof(token))
            self._runs.begin(new)
        return Run(self._runs, new, self._outputs)

    def view(self) -> RunView:
        """The run as it stands: its steps, what they gave, and why they failed."""
        return self._runs.engine.view(self.id)

    def logs(self, step: str | None = None) -> Sequence[LogChunk]:
        """What the attempts wrote, those of the runs inside as well; of one step, or item, when it is named."""
        view, engine = self.view(), self._runs.engine
        if step is None:
            return [
                chunk
                for one in (view, *(inner.view for inner in inner_runs(view)))
                for chunk in engine.logs(one.run.id)
            ]
        found = find_step(view, step)
        if found is None:
            names = ", ".join(one.name for one in steps_of(view) if one.step.item == NO_ITEM)
            raise EngineError(f"{self.id} has no step `{step}`; its steps: {names}")
        return list(self._logs_of(found.view, found.step.id, found.step.item))

    def artifacts(self) -> Mapping[str, Artifact]:
        """The files and folders that the run made, by name: `NAME` of its outputs, `STEP.NAME` of a step's."""
        return self._runs.engine.artifacts(self.id)

    def fetch(self, name: str, folder: str | Path = ".") -> Path:
        """Writes a copy of an artifact into a folder and returns its path; raises `OSError` and `EngineError`."""
        artifact = find_artifact(self.artifacts(), name, self.id)
        try:
            return self._runs.engine.fetch(artifact, Path(folder))
        except ContentError as fault:
            raise EngineError(f"artifact `{name}` of {self.id}: {fault}") from fault

    def __repr__(self) -> str:
        """In a line."""
        view = self.view()
        return f"<Run {view.run.capsule} {self.id}: {view.phase}>"

    def _repr_html_(self) -> str:
        return run_picture(self.view())

    def _logs_of(self, view: RunView, step: str, item: int) -> Iterator[LogChunk]:
        for chunk in self._runs.engine.logs(view.run.id, step):
            if item in {NO_ITEM, chunk.key.item}:
                yield chunk

    async def _decide(
        self, step: str, by: str | None, token: str | None, *, approve: bool, comment: str, outputs: dict[str, Any]
    ) -> None:
        who = self._runs.acting(by, token)
        asked = asked_step(self.view(), step)
        waiting = asked.step.waiting
        decision = Decision(
            step=asked.step.id,
            item=asked.step.item,
            **on_whose_word(who),
            question=question_of(waiting) if waiting is not None else "",
            approve=approve,
            outputs=outputs,
            comment=comment,
            at=datetime.now(UTC),
        )
        async with self._runs.writing() as engine:
            await engine.signal(asked.view.run.id, decision, token=self._runs.proof(token))
            self._runs.go_on(self.id)

    async def _events(self) -> AsyncGenerator[Event, None]:
        news = self._runs.engine.watch(self.id)

        async def pause() -> None:
            """Until something happens here, or may have elsewhere; what happens together is looked at together."""
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.events.get(), _LOOK_S)
            await asyncio.sleep(_TOGETHER_S)
            while not news.events.empty():
                news.events.get_nowait()

        at = None
        with self._runs.engine.following(self.id, told=self._told, pause=pause) as following:
            while True:
                async for event in following:
                    at = event.at
                    yield event
                task = self._runs.at_work(self.id)
                if following.phase is not None or task is None:
                    break
                if task.done():
                    task.result()  # raises what ended the work
                await asyncio.wait([task], timeout=_LOOK_S)
        view = self.view()
        message = view.failure.message if view.failure is not None else ""
        when = view.ended_at or at or view.run.created_at
        yield Event(at=when, key=StepKey(self.id, ""), kind="run", phase=view.phase, message=message)


async def _ended(task: asyncio.Task[RunView]) -> RunView | None:
    """What the work came to; None when it was cut off. Who stops waiting does not stop it."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if not task.cancelled() or (own is not None and own.cancelling()):
            raise
        return None
