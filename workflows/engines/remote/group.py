"""Several steps in one program: each as by itself, with its own attempts, retries and record, when it is its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from somagent.capsule_compiler.plan import Edge
from somagent.operators.runner.records import StepKey, StepResult
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.remote.work import Worker


async def together(worker: Worker, steps: Sequence[str]) -> list[StepResult]:
    """How each ended; they are named in an order in which they can run, and what needs nothing of the others is at
    work beside them. Raises `EngineError` for a step in which people are asked.
    """
    ends: dict[str, asyncio.Task[StepResult]] = {}

    async def one(step: str, needs: Sequence[asyncio.Task[StepResult]]) -> StepResult:
        for need in needs:
            await asyncio.shield(need)
        return await _to_its_end(worker, StepKey(worker.run.id, step))

    for step in steps:
        needs = {edge.step for edge in _needs(worker, step)}
        ends[step] = asyncio.create_task(one(step, [ends[need] for need in ends if need in needs]))
    try:
        return await asyncio.gather(*ends.values())
    finally:
        for end in ends.values():
            end.cancel()
        await asyncio.wait(ends.values())


def _needs(worker: Worker, step: str) -> Sequence[Edge]:
    try:
        return worker.plan.node(step).needs
    except KeyError:
        raise EngineError(f"the plan has no step `{step}`") from None


async def _to_its_end(worker: Worker, key: StepKey) -> StepResult:
    """All attempts at the step; between two it waits as long as is to be waited."""
    while True:
        came = await worker.step(key)
        if isinstance(came, StepResult):
            return came
        if came.waiting is not None:
            raise EngineError(f"step `{key.step}` asks people, and cannot share a pod; emit it with `fuse` off")
