"""What decides whether a step runs at all: `if` skips it, `require` fails it, a fan-out's list says how often."""

from __future__ import annotations

from typing import Any

from somagent.governance.cel import Value
from somagent.operators.operator import StepFailure
from somagent.operators.runner.bindings import Scope, size_of
from somagent.operators.runner.expressions import Expression, brief
from somagent.operators.runner.ready import ReadyNode
from somagent.operators.runner.records import RunRecord
from somagent.operators.runner.remembered import Remembered


class RequiredButFalse(StepFailure):
    """`require` is false; another attempt reads the same values, so there is none."""


async def is_wanted(node: ReadyNode, scope: Scope) -> bool:
    """Whether `if` is true, or absent; raises `StepFailure` when it has no value."""
    return node.guard is None or await _decide("if", node.guard, scope)


async def check_requirement(node: ReadyNode, scope: Scope) -> None:
    """Raises `StepFailure` when `require` is false or has no value."""
    if node.require is not None and not await _decide("require", node.require, scope):
        read = node.require.values_read(await scope.bindings(node.require.reads))
        raise RequiredButFalse("error", f"required, but false: `{node.require.text}`{read}")


async def fan_out_items(node: ReadyNode, scope: Scope, run: RunRecord, remembered: Remembered) -> list[Any]:
    """The list of a fan-out step, the same whenever it is asked for; raises `StepFailure`."""
    key = ("items", run.id, node.node.id)
    items = remembered.get(key)
    if items is None:
        assert node.items is not None  # noqa: S101 - only asked of fan-out steps
        items = node.items.render(await scope.bindings(node.items.reads))
        if not isinstance(items, list):
            raise StepFailure("error", f"`forEach` needs a list, not {brief(items)}")
        remembered.put(key, items, size_of(items))
    return items  # type: ignore[no-any-return]


async def _decide(keyword: str, expression: Expression, scope: Scope) -> bool:
    try:
        value: Value = expression.evaluate(await scope.bindings(expression.reads))
    except StepFailure as fault:
        raise StepFailure("error", f"`{keyword}`: {fault.message}") from None
    if not isinstance(value, bool):
        raise StepFailure("error", f"`{keyword}`: `{expression.text}` is {brief(value)}, not true or false")
    return value
