"""No expression may take more work than a run allows: macros inside macros are bounded by the sizes of their lists."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import msgspec

from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.capsule_compiler.passes.check_types import step_outputs
from somagent.capsule_compiler.sizes import members, size_of_schema
from somagent.governance.cel import MAX_STEPS, Cost, Loop, Size, estimate, write
from somagent.governance.cel.cost import ITEMS
from somagent.governance.cel.parser import MACROS
from somagent.governance.documents import Diagnostic, Label

_CALLS = tuple(f".{macro}" for macro in MACROS)


def check_costs(draft: Draft) -> Draft:
    """Reports each expression that could run out of steps on values that keep to their declared sizes."""
    if draft.capsule is None or not any(map(_has_macro, _expressions(draft))):
        return draft
    sizes = sizes_in(draft)
    found: list[Diagnostic] = []
    for step in draft.steps.values():
        inner = _inside(step, sizes)
        for one in step.expressions:
            found += _check(draft, one, sizes if one.use in {"if", "require", "forEach"} else inner)
    for one in draft.output_expressions:
        found += _check(draft, one, sizes)
    return draft.reporting(found)


def _expressions(draft: Draft) -> list[Expression]:
    return [*(one for step in draft.steps.values() for one in step.expressions), *draft.output_expressions]


def _has_macro(one: Expression) -> bool:
    return any(call in one.text for call in _CALLS)


def sizes_in(draft: Draft) -> dict[str, Size]:
    """How large what expressions name can be."""
    spec = draft.capsule.spec if draft.capsule is not None else None
    types: dict[str, Any] = {}
    inputs: dict[str, Size] = {}
    if spec is not None:
        types = {name: msgspec.to_builtins(schema) for name, schema in spec.types.items()}
        inputs = {name: size_of_schema(msgspec.to_builtins(one), types) for name, one in spec.inputs.items()}
    steps: dict[str, Size] = {}
    sizes = {"inputs": members(inputs), "steps": members(steps)}
    for step in draft.steps.values():
        outputs = {name: size_of_schema(schema, types) for name, schema in step_outputs(draft, step).items()}
        steps[step.id] = members(outputs)
    for step in draft.steps.values():
        items = items_of(step, sizes)
        if items is not None:
            one = steps[step.id]
            steps[step.id] = Size(items.items, 0, items.bounded, lambda _, one=one: one, is_list=True)  # type: ignore[misc]
    return sizes


def items_of(step: StepDraft, sizes: Mapping[str, Size]) -> Size | None:
    """What the step walks over with `forEach`."""
    return next((estimate(one.expr, sizes).size for one in step.expressions if one.use == "forEach"), None)


def _inside(step: StepDraft, sizes: Mapping[str, Size]) -> Mapping[str, Size]:
    items = items_of(step, sizes) if step.fan_out is not None else None
    if items is None or step.fan_out is None:
        return sizes
    return {**sizes, step.fan_out.name: items.part(None)}


def _check(draft: Draft, one: Expression, sizes: Mapping[str, Size]) -> list[Diagnostic]:
    if not _has_macro(one):
        return []
    cost = estimate(one.expr, sizes)
    if cost.steps <= MAX_STEPS or not cost.loops:
        return []
    return draft.in_document(one.node, [too_costly(cost)])


def too_costly(cost: Cost) -> Diagnostic:
    """What is said of an expression that may take too much work: the innermost macro, and how its work comes about."""
    *outer, inner = cost.loops
    times = prod(loop.items for loop in outer)
    often = f", up to {_rough(times)} times" if outer else ""
    message = (
        f"this expression may take {_rough(cost.steps)} steps, and {MAX_STEPS:,} is the most; "
        f"the costly part is `{inner.macro.macro}` {_over(inner)}{often}"
    )
    labels = tuple(Label(loop.macro.macro_span, f"this `{loop.macro.macro}` is {_over(loop)}") for loop in outer)
    open_ = [loop for loop in cost.loops if not loop.bounded]
    if open_:
        lists = " and ".join(dict.fromkeys(f"`{write(loop.macro.target)}`" for loop in open_[-2:]))
        help_ = f"bound {lists} with `maxItems` where declared: without it a list counts as {ITEMS} items"
    else:
        help_ = "lower `maxItems` of the lists, filter them first, or work a part of it out in a step before"
    return Diagnostic("expression-too-costly", message, inner.macro.macro_span, labels=labels, help=help_)


def _over(loop: Loop) -> str:
    return f"over {loop.items:,} items" + ("" if loop.bounded else " (no maxItems)")


def _rough(steps: int) -> str:
    for size, name in ((10**12, "million million"), (10**9, "thousand million"), (10**6, "million")):
        if steps >= size:
            return f"{steps / size:.0f} {name}" if steps >= 10 * size else f"{steps / size:.1f} {name}"
    return f"{steps:,}"
