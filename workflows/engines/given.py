"""What a step was given, made again from a run's view: a recorded input is a digest, and must come out the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from somagent.capsule_compiler.plan import Amounts
from somagent.operators.operator import StepFailure
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.guards import fan_out_items
from somagent.operators.runner.ready import ready
from somagent.operators.runner.records import ENDED, NO_ITEM, StepKey, StepResult
from somagent.operators.runner.values import digest_of_value
from somagent.workflows.engines.protocol import RunView, StepView


async def given_to(view: RunView, step: StepView, contents: Contents) -> Any:
    """The arguments that the step, or the item, was run with last; None when they cannot be made again exactly.

    They cannot when it never came so far, when content is lost, or when they were of a moment that has passed.
    """
    recorded = step.input_digest
    if not recorded:
        return None
    prepared = ready(view.plan)
    node = prepared.nodes[step.id]
    told = _Told(view, contents)
    scope = Scope(prepared, node, view.run, told)
    try:
        more: dict[str, Any] = {}
        if node.node.fan_out is not None:
            items = await fan_out_items(node, scope, view.run, contents.remembered)
            more = {node.node.fan_out.index: step.item, node.node.fan_out.name: items[step.item]}
        template = node.arguments
        bindings = await scope.bindings(template.reads, **more) if template.has_holes else {}
        arguments = msgspec.to_builtins(template.render(bindings))
    except StepFailure:
        return None
    return arguments if digest_of_value(arguments) == recorded else None


class _Told:
    """The `Records` of one run, as its view tells them."""

    def __init__(self, view: RunView, contents: Contents) -> None:
        self.contents = contents
        self._view = view
        self._steps = {step.id: step for step in view.steps}

    async def result(self, key: StepKey) -> StepResult | None:
        return self._result(self._steps[key.step])

    async def item_results(self, run_id: str, step: str) -> Sequence[StepResult]:  # noqa: ARG002 - it is of this run
        return [result for item in self._steps[step].items if (result := self._result(item)) is not None]

    async def started_at(self, run_id: str) -> datetime | None:  # noqa: ARG002
        return self._view.started_at

    async def spent_until(self, key: StepKey) -> Amounts:
        """What had ended before the step began; where others were at work beside it, the digest tells."""
        began = self._steps[key.step].started_at
        total = Amounts()
        for step in self._view.steps:
            if began is not None and step.ended_at is not None and step.ended_at <= began:
                total = total.plus(step.spent)
        return total

    def _result(self, step: StepView) -> StepResult | None:
        if step.phase not in ENDED or step.ended_at is None:
            return None
        return StepResult(
            key=StepKey(self._view.run.id, step.id, step.item),
            phase=step.phase,
            attempts=step.attempts,
            ended_at=step.ended_at,
            outputs=step.outputs,
            failure=step.failure,
            spent=step.spent,
            items=len(step.items) if step.item == NO_ITEM and step.items else None,
        )
