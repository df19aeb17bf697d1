"""A step that another one lets begin is begun with that one's result, in one transaction: in a chain, a commit a step.

Only steps are, of which nothing must be known but that what they need has succeeded. Nothing of the promise changes:
an attempt's beginning is written before its operator is called, here just a moment earlier; a run that is stopped in
this moment closes it like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from somagent.capsule_compiler.plan import Node
from somagent.operators.runner.records import Attempt, StepKey, StepResult
from somagent.workflows.engines.written import Written


def can_begin_ahead(node: Node) -> bool:
    """Whether nothing decides about the node's beginning but what it needs."""
    return not node.guard and node.fan_out is None and not node.capsule


class Ahead:
    """The ledger of a run's steps; `following` says what a result lets begin."""

    def __init__(self, written: Written, following: Callable[[StepResult], Sequence[StepKey]]) -> None:
        self._written, self._following = written, following
        self._begun: dict[StepKey, Attempt] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._written, name)

    async def begin(self, key: StepKey, at: datetime) -> Attempt | StepResult:
        """The attempt that was begun ahead, or another one."""
        return self._begun.pop(key, None) or await self._written.begin(key, at)

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        """Records, and begins what follows."""
        following = self._following(result) if attempt is not None else ()
        if not following:
            return await self._written.record(attempt, result)
        recorded, begun = await self._written.record_and_begin(attempt, result, following)
        self._begun.update((one.key, one) for one in begun)
        return recorded
