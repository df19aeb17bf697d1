"""No expression may take more work than a run allows: macros inside macros are bounded by the sizes of their lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import msgspec
from msgspec.structs import replace

from somagent.capsule_compiler.draft import Draft, Expression, StepDraft
from somagent.capsule_compiler.sizes import members, size_of_schema
from somagent.governance.cel import MAX_STEPS, Cost, Loop, Size, estimate, write
from somagent.governance.cel.cost import INSIDE, ITEMS
from somagent.governance.cel.parser import MACROS
from somagent.governance.documents import Diagnostic, Label


def check_costs(draft: Draft) -> Draft:
    """Reports each expression that could run out of steps on values that keep to their declared sizes."""
    if draft.capsule is None or not any(map(_loops, _expressions(draft))):
        return draft
    sizes = _sizes_in(draft)
    items = {step.id: _items_of(step, sizes) for step in draft.steps.values() if step.fan_out is not None}
    found: list[Diagnostic] = []
    for step in draft.steps.values():
        inner: Mapping[str, Size] = sizes
        if step.fan_out is not None:
            inner = {**sizes, step.fan_out.name: items[step.id].part(None)}
        for one in step.expressions:
            found += _check(draft, one, inner if one.use == "argument" else sizes)
    for one in draft.output_expressions:
        found += _check(draft, one, sizes)
    return replace(draft.reporting(found), items=items)


def _expressions(draft: Draft) -> Iterator[Expression]:
    for step in draft.steps.values():
        yield from step.expressions
    yield from draft.output_expressions


def _loops(one: Expression) -> bool:
    return one.use == "forEach" or _has_macro(one)


def _has_macro(one: Expression) -> bool:
    return "(" in one.text and any(macro in one.text for macro in MACROS)


def _sizes_in(draft: Draft) -> dict[str, Size]:
    """How large what expressions name can be."""
    spec = draft.capsule.spec if draft.capsule is not None else None
    types: dict[str, Any] = {}
    inputs: dict[str, Size] = {}
    if spec is not None:
        types = {name: msgspec.to_builtins(schema) for name, schema in spec.types.items()}
        inputs = {name: size_of_schema(msgspec.to_builtins(one), types) for name, one in spec.inputs.items()}
    steps: dict[str, Size] = {}  # of those that were asked for

    def of_step(name: str | None) -> Size:
        if name is None or name not in draft.steps:
            return INSIDE
        if name not in steps:
            outputs = draft.steps[name].outputs
            steps[name] = members({output: size_of_schema(schema, types) for output, schema in outputs.items()})
        return steps[name]

    sizes = {"inputs": members(inputs), "steps": Size(len(draft.steps), 0, bounded=True, parts=of_step)}
    for step in draft.steps.values():
        if step.fan_out is not None:
            items, one = _items_of(step, sizes), of_step(step.id)
            steps[step.id] = Size(items.items, 0, items.bounded, lambda _, one=one: one, is_list=True)  # type: ignore[misc]
    return sizes


def _items_of(step: StepDraft, sizes: Mapping[str, Size]) -> Size:
    """What a fan-out walks over."""
    return next(estimate(one.expr, sizes).size for one in step.expressions if one.use == "forEach")


def _check(draft: Draft, one: Expression, sizes: Mapping[str, Size]) -> list[Diagnostic]:
    if not _has_macro(one) or one.key in draft.untyped:
        return []
    cost = estimate(one.expr, sizes)
    if cost.steps <= MAX_STEPS or not cost.loops:
        return []
    return draft.in_document(one, [too_costly(cost)])


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
