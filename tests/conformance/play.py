"""Plays a case on an engine: submits it, does to it what the case says, and has the judge look.

Everything goes through the protocol `Engine`; the adapter only lets it work, kills its workers and passes time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.model.quantities import duration_ms
from somagent.operators.runner.records import Decision
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.inputs import accept_inputs
from somagent.workflows.named_steps import Named, find_step

from .adapter import Adapter
from .cases import Case, compiled
from .judge import judge

_LOOK_S = 0.005


async def play(case: Case, adapter: Adapter, folder: Path) -> None:
    """Raises `AssertionError` that shows every difference; `folder` is for the case's own files."""
    async with asyncio.timeout(adapter.patience_s):
        game = _Game(case, adapter, folder)
        await game.submit()
        for action in case.do:
            await game.act(action)
        game.look(case.expect)


class _Game:
    def __init__(self, case: Case, adapter: Adapter, folder: Path) -> None:
        self.case, self.adapter, self.engine, self.folder = case, adapter, adapter.engine, folder
        self.run = ""
        self.begun: dict[str, int] = {}  # attempts of steps that were seen at work
        self.runs: list[str] = []  # each goes on from the one before
        self.actions: dict[str, Callable[..., Awaitable[None]]] = {
            "approve": lambda **how: self._decide(approve=True, **how),
            "reject": lambda **how: self._decide(approve=False, **how),
            "cancel": self._cancel,
        }

    async def submit(self) -> None:
        done = compiled(self.case, self.folder)
        assert done.plan is not None
        inputs = accept_inputs(done.plan, self.case.inputs, self.folder, here=self.adapter.is_here)
        run = await self.engine.submit(done.plan, inputs, submitter=self.case.submitter, files=done.contents)
        self._now_on(run)

    async def act(self, action: Any) -> None:
        ((what, how),) = action.items() if isinstance(action, dict) else [(action, None)]
        if what == "run":
            await self.adapter.work(self.run)
        elif what == "kill":
            async with self.adapter.doomed(self.run):
                for one in how if isinstance(how, list) else [how]:
                    await self._at_work(**({"step": one} if isinstance(one, str) else one))
        elif what == "pass":
            await self.adapter.pass_time(timedelta(milliseconds=duration_ms(how)))
        elif what == "retryFrom":
            self._now_on(await self.engine.retry_from(self.run, how))
        elif what == "expect" or (what == "idle" and not self.adapter.goes_on_by_itself):
            self.look(how)
        elif what == "idle":  # there is no such moment
            pass
        else:
            await self.actions[what](**how)

    def look(self, expected: dict[str, Any]) -> None:
        judge(expected, self.adapter, self.run, self.runs, self.folder)

    def _now_on(self, run: str) -> None:
        assert run not in self.runs
        self.run = run
        self.runs.append(run)

    async def _decide(self, *, approve: bool, step: str, refused: str = "", **how: Any) -> None:
        """A decision; `refused` is a part of what the engine says when it must not take it."""
        named = self._named(step)
        if refused.startswith("no such step"):
            assert named is None
            return
        assert named is not None, f"there is no `{step}` to decide on"
        at = self.adapter.now()
        decision = Decision(step=named.step.id, item=named.step.item, approve=approve, at=at, **how)
        said = await _refusal(self.engine.signal(named.view.run.id, decision))
        assert (refused in said) if refused else not said, f"{how['by']} on `{step}`: {said or 'it was taken'}"

    async def _cancel(self, *, by: str, at: str = "", once: str | list[str] = "", refused: str = "") -> None:
        """A cancellation, `at` a moment when that step is at work and the one, or those, called `once` have been.

        A fan-out has been when all its items have.
        """
        working = asyncio.create_task(self.adapter.work(self.run)) if at else None
        if at:
            await self._at_work(at)
        for one in [once] if isinstance(once, str) else once:
            while one and not self._attempt_ended(one):  # noqa: ASYNC110 - engines are looked at from outside
                await asyncio.sleep(20 * _LOOK_S)  # looking at many items takes its time
        said = await _refusal(self.engine.cancel(self.run, by=by))
        assert (refused in said) if refused else not said, f"cancel: {said or 'it was taken'}"
        if working is not None:
            await working

    def _attempt_ended(self, step: str) -> bool:
        named = self._named(step)
        if named is None:
            return False
        return all(any(one.ended_at for one in own.history) for own in named.step.items or (named.step,))

    async def _at_work(self, step: str, attempt: int = 1, said: str = "") -> None:
        """Waits until this attempt of the step, or a later one, is at work, and another one than the last time.

        With `said`, until its log has that text.
        """
        first = max(attempt, self.begun.get(step, 0) + 1)
        while True:
            began = time.monotonic()
            named = self._named(step)
            at_work = named is not None and named.step.phase == "Running" and named.step.attempts >= first
            if at_work and (not said or self._has_said(named, said)):
                self.begun[step] = named.step.attempts
                return
            assert self.engine.view(self.run).ended_at is None, f"the run ended, and `{step}` was not at work"
            await asyncio.sleep(max(_LOOK_S, 4 * (time.monotonic() - began)))  # looking at a long run takes its time

    def _has_said(self, named: Named, text: str) -> bool:
        chunks = self.engine.logs(named.view.run.id, named.step.id)
        return any(one.key.item == named.step.item and text in one.text for one in chunks)

    def _named(self, step: str) -> Named | None:
        return find_step(self.engine.view(self.run), step)


async def _refusal(call: Awaitable[None]) -> str:
    """What the engine says when it does not do it; empty when it does."""
    try:
        await call
    except EngineError as fault:
        return str(fault)
    return ""
