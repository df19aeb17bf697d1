"""The step that a command names, or what there is instead."""

from __future__ import annotations

from somagent.cli.exits import UserError
from somagent.operators.runner.records import NO_ITEM
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.named_steps import Named, find_step, steps_of


def named_step(view: RunView, text: str) -> Named:
    """The same; raises `UserError` that says which steps there are."""
    found = find_step(view, text)
    if found is None:
        names = [one.name for one in steps_of(view) if one.step.item == NO_ITEM]
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise UserError(f"the run has no step `{text}`; its steps: {shown}")
    return found
