"""What templates are given and hand on: which step, which item, of which run, and where it stands in the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hera.workflows import models as m
from pydantic import BaseModel

from somagent.capsule_compiler.plan import Node, Plan
from somagent.workflows.engines.argo.arguments import plain

NO_ITEM = "-1"
_DEFAULTS = {"item": NO_ITEM, "run": "{{workflow.name}}", "at": ""}


def inputs(*names: str) -> m.Inputs:
    """The inputs of a template; those of a step have a default, but for its name."""
    return m.Inputs(parameters=[m.Parameter(name=name, default=_DEFAULTS.get(name)) for name in names])


def handed_on(*names: str, **others: str) -> m.Arguments:
    """Arguments that are the template's own inputs, and others."""
    own = [m.Parameter(name=name, value=f"{{{{inputs.parameters.{name}}}}}") for name in names]
    return m.Arguments(parameters=[*own, *(m.Parameter(name=name, value=value) for name, value in others.items())])


def of_step(plan: Plan, node: Node, *, inner: bool) -> dict[str, Any]:
    """The arguments of the task of a step, as JSON; in a run inside another one its id, too."""
    return _of(plan, node, {"name": "step", "value": node.id}, inner=inner)


def of_steps(plan: Plan, nodes: Sequence[Node], *, inner: bool) -> dict[str, Any]:
    """The arguments of the task of steps that share a pod; the place is that of the first."""
    return _of(plan, nodes[0], {"name": "steps", "value": " ".join(node.id for node in nodes)}, inner=inner)


def _of(plan: Plan, node: Node, first: dict[str, str], *, inner: bool) -> dict[str, Any]:
    parameters = [first]
    line = plan.source.lines.get(node.id)
    if line is not None:
        parameters.append({"name": "at", "value": f"{plain(plan.source.file)}:{line}"})
    if inner:
        parameters.append({"name": "run", "value": "{{inputs.parameters.run}}"})
    return {"parameters": parameters}


def in_turn(steps: Sequence[m.WorkflowStep | Sequence[m.WorkflowStep]]) -> list[m.ParallelSteps]:
    """Steps one after the other; a list of them side by side."""
    return [m.ParallelSteps(list(one) if isinstance(one, Sequence) else [one]) for one in steps]


def as_json(made: BaseModel) -> dict[str, Any]:
    """Without what was not said."""
    return made.model_dump(exclude_none=True, by_alias=True, mode="json")
