"""A step that is a capsule is a run of its own: its name, its inputs, and how its end becomes the step's.

The name follows from the step, so that whoever goes on after a crash finds the run that was begun. When a step is tried
again after its capsule failed, there is a next run, which takes over all that succeeded in the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.capsule import OPERATOR
from somagent.operators.operator import Operator, Park, Step, StepFailure
from somagent.operators.runner.artifacts import held_artifacts, with_artifacts
from somagent.operators.runner.ready import ready
from somagent.operators.runner.records import Failure, Phase, RunRecord, Secret, StepResult
from somagent.workflows.engines.asked_inside import Question, asked_inside

NAME = "capsule"
_GOOD: frozenset[Phase] = frozenset({"Succeeded", "Skipped"})


def capsule_operator(run: Any) -> Operator:
    """The operator whose effect is an engine's: `run` makes and drives the run of the step's capsule."""
    return replace(OPERATOR, run=run)


def child_plan(plan: Plan, node: Node) -> Plan:
    """The plan of the step's capsule, with those that it uses itself."""
    found = plan.capsules.get(node.capsule)
    if found is None:
        raise StepFailure("error", f"the plan does not have the capsule of step `{node.id}` ({node.capsule})")
    inside: dict[str, Plan] = {}
    left = [found]
    while left:
        for one in nodes_of(left.pop()):
            if one.capsule in plan.capsules and one.capsule not in inside:
                inside[one.capsule] = plan.capsules[one.capsule]
                left.append(plan.capsules[one.capsule])
    return replace(found, capsules=inside) if inside else found


def nodes_of(plan: Plan) -> tuple[Node, ...]:
    """All steps, `finally` too."""
    return (*plan.nodes, *plan.finals)


def operators_of(plan: Plan) -> frozenset[str]:
    """The names of the operators of all steps, those of all capsules inside too."""
    return frozenset(node.operator for one in (plan, *plan.capsules.values()) for node in nodes_of(one))


def child_inputs(plan: Plan, given: Mapping[str, Any], granted: Iterable[Secret]) -> dict[str, Any]:
    """The capsule's inputs as JSON, defaults filled in; raises `StepFailure` when they are not what it declares.

    A secret goes in by its name, `SECRET/KEY`, and only one that the step was granted.
    """
    who = f"capsule `{plan.capsule.name}`"
    unknown = [name for name in given if name not in plan.inputs]
    if unknown:
        raise StepFailure("error", f"{who} has no input `{unknown[0]}`")
    secrets: dict[str, Secret] = {}
    for name in (name for name, schema in plan.inputs.items() if schema.get("type") == "secret"):
        secret = given.get(name)
        if isinstance(secret, Secret) and secret in granted:
            secrets[name] = secret
        else:
            raise StepFailure("denied", f"{who}: input `{name}` takes a secret that was granted to the step")
    others = {name: schema for name, schema in plan.inputs.items() if name not in secrets}
    inputs = {
        name: to_builtins(given[name]) if name in given else schema["default"]
        for name, schema in others.items()
        if name in given or "default" in schema
    }
    made_up = held_artifacts(with_artifacts(inputs, others)) - held_artifacts(dict(given))
    if made_up:
        raise StepFailure(
            "error", f"{who}: an object in the form of an artifact is none: it must be an output of a step"
        )
    from somagent.operators.runner.output_check import OutputCheck  # noqa: PLC0415 - 15 MB, and only some need it

    try:
        OutputCheck(others, plan.types, ready(plan).input_types, what="input")(inputs)
    except StepFailure as fault:
        raise StepFailure("error", f"{who}: {fault.message}") from None
    return inputs | {name: f"{secret.secret}/{secret.key}" for name, secret in secrets.items()}


def taken_over(results: Iterable[StepResult], plan: Plan) -> list[StepResult]:
    """What the next run of a capsule keeps: every step, and every item of one, that succeeded or was skipped."""
    steps = {node.id for node in plan.nodes}  # `finally` steps run in every run
    return [result for result in results if result.key.step in steps and result.phase in _GOOD]


def failure(run: RunRecord, why: Failure | None, spent: Amounts) -> StepFailure:
    """Why the step fails whose capsule did: the message names every capsule and step on the way down."""
    message = why.message if why is not None else "it did not succeed"
    kind = why.failure_class if why is not None and why.failure_class not in {"cancelled", "omitted"} else "error"
    return StepFailure(kind, f"capsule `{run.capsule}`: {message}", spent=spent, child=run.id)


async def cancel_this_task() -> None:
    """Ends the step of a capsule as cut off: why it was is known to the run above."""
    task: asyncio.Task[Any] | None = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio runs in one
    task.cancel()
    await asyncio.sleep(0)


def parked(step: Step, run: RunRecord, questions: Iterable[Question]) -> Park:
    """The step waits while people are asked inside its capsule."""
    return Park(asked_inside(step.key, run, questions))


def nodes_below(plan: Plan, nodes: Iterable[Node]) -> Iterator[Node]:
    """The steps of all capsules that these nodes lead to."""
    seen: set[str] = set()
    left = list(nodes)
    while left:
        node = left.pop()
        if node.capsule in plan.capsules and node.capsule not in seen:
            seen.add(node.capsule)
            inside = nodes_of(plan.capsules[node.capsule])
            yield from inside
            left += inside
