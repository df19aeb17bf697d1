"""Steps as people name them: STEP, STEP/ITEM, and through the capsules that steps are, `scan/3/approval`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from somagent.operators.runner.records import NO_ITEM
from somagent.workflows.engines.protocol import DecisionRefused, RunView, StepView


class Named(NamedTuple):
    """A step or an item, the run that it is of, and its name seen from the run at the top."""

    name: str
    view: RunView
    step: StepView


def steps_of(view: RunView, above: str = "", *, deeper: bool = True) -> Iterator[Named]:
    """Every step in the order of the plan, each item after its step; `deeper`, what is in their capsules as well."""
    for step in view.steps:
        for one in (step, *step.items):
            name = f"{above}{step.id}" if one.item == NO_ITEM else f"{above}{step.id}/{one.item}"
            yield Named(name, view, one)
            if deeper and one.inner is not None:
                yield from steps_of(one.inner, f"{name}/")


def find_step(view: RunView, text: str) -> Named | None:
    """The step or item of that name, wherever it is inside the run; None when there is none."""
    above, parts = "", text.split("/")
    while True:
        step = next((one for one in view.steps if one.id == parts[0]), None)
        if step is None:
            return None
        used = 1
        if len(parts) > 1 and parts[1].isascii() and parts[1].isdigit():
            step = next((one for one in step.items if one.item == int(parts[1][:9])), None)
            used = 2
        if step is None:
            return None
        name = above + "/".join(parts[:used])
        if len(parts) == used:
            return Named(name, view, step)
        if step.inner is None:
            return None
        view, above, parts = step.inner, f"{name}/", parts[used:]


def waiting_steps(view: RunView) -> list[Named]:
    """The steps and items that people are asked about, in the run and in those inside it."""
    return [
        one
        for one in steps_of(view)
        if one.step.phase == "Waiting" and one.step.waiting is not None and not one.step.waiting.child
    ]


def asked_step(view: RunView, text: str) -> Named:
    """The step or item of that name, to be decided on; raises `DecisionRefused` that says which steps ask."""
    names = [one.name for one in waiting_steps(view)]
    waiting = f"these wait for a decision: {', '.join(names)}" if names else "none waits for a decision"
    found = find_step(view, text)
    if found is None:
        above, slash, last = text.rpartition("/")
        upper = find_step(view, above) if slash else None
        if upper is not None and last.isascii() and last.isdigit() and upper.step.item == NO_ITEM:
            raise DecisionRefused(f"step `{above}` has no item {int(last[:9])}; {waiting}")
        raise DecisionRefused(f"{view.run.id} has no step `{text}`; {waiting}")
    if found.step.items:
        raise DecisionRefused(f"step `{text}` is a fan-out: write STEP/ITEM; {waiting}")
    waits = found.step.waiting
    if waits is not None and waits.child and found.step.phase == "Waiting":
        raise DecisionRefused(f"step `{text}` waits for a step inside its capsule; {waiting}")
    return found
