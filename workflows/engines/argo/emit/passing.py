"""What templates are given and hand on: which step, which item, of which run, and where it stands in the text."""

from __future__ import annotations

from collections.abc import Sequence

from hera.workflows import models as m

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


def of_step(plan: Plan, node: Node, *, inner: bool) -> m.Arguments:
    """The arguments of the task of a step; in a run inside another one its id, too."""
    return _of(plan, node, m.Parameter(name="step", value=node.id), inner=inner)


def of_steps(plan: Plan, nodes: Sequence[Node], *, inner: bool) -> m.Arguments:
    """The arguments of the task of steps that share a pod; the place is that of the first."""
    steps = " ".join(node.id for node in nodes)
    return _of(plan, nodes[0], m.Parameter(name="steps", value=steps), inner=inner)


def _of(plan: Plan, node: Node, first: m.Parameter, *, inner: bool) -> m.Arguments:
    parameters = [first]
    line = plan.source.lines.get(node.id)
    if line is not None:
        parameters.append(m.Parameter(name="at", value=f"{plain(plan.source.file)}:{line}"))
    if inner:
        parameters += handed_on("run").parameters or []
    return m.Arguments(parameters=parameters)


def in_turn(steps: Sequence[m.WorkflowStep | Sequence[m.WorkflowStep]]) -> list[m.ParallelSteps]:
    """Steps one after the other; a list of them side by side."""
    return [m.ParallelSteps(list(one) if isinstance(one, Sequence) else [one]) for one in steps]
