"""A step that is a capsule is a run of its own: its name, its inputs, and how its end becomes the step's.

The name follows from the step, so that whoever goes on after a crash finds the run that was begun. When a step is tried
again after its capsule failed, there is a next run, which takes over all that succeeded in the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.operator import Operator, Park, Step, StepFailure
from somagent.operators.runner.artifacts import held_artifacts, with_artifacts
from somagent.operators.runner.output_check import OutputCheck
from somagent.operators.runner.ready import ready
from somagent.operators.runner.records import NO_ITEM, Failure, Phase, RunRecord, StepKey, StepResult, Waiting

NAME = "capsule"
_LONGEST = 160  # characters of an id; it is part of file names
_GOOD: frozenset[Phase] = frozenset({"Succeeded", "Skipped"})


class CapsuleArguments(Struct, frozen=True, kw_only=True):
    """Which capsule, and its inputs."""

    use: str = ""
    with_: dict[str, Any] = field(default_factory=dict, name="with")


class Question(NamedTuple):
    """What people are asked somewhere inside a capsule."""

    path: str  # from the run's step on: `approval`, or `scan/approval`
    waiting: Waiting


def capsule_operator(run: Any) -> Operator:
    """The operator whose effect is an engine's: `run` makes and drives the run of the step's capsule."""
    entry = OperatorEntry(name=NAME, summary="Run another capsule as one step", arguments={}, core=True)
    return Operator(entry, CapsuleArguments, run)


def child_id(key: StepKey, number: int) -> str:
    """The id of the `number`-th run (from 1) of a step's capsule: `RUN.STEP`, `RUN.STEP.ITEM-2`.

    What would be too long for the names of files is a digest of it, still after the id of the run at the top.
    """
    whole = f"{key.run}.{key.step}" if key.item == NO_ITEM else f"{key.run}.{key.step}.{key.item}"
    whole += f"-{number}" if number > 1 else ""
    if len(whole) <= _LONGEST:
        return whole
    return f"{key.run.partition('.')[0]}.{sha256(whole.encode()).hexdigest()[:32]}"


def path_below(top: str, key: StepKey) -> str:
    """How the run `top` names a step, its own or one of a run inside it: `build`, `scan/build`, `scan/3/build`."""
    own = key.step if key.item == NO_ITEM else f"{key.step}/{key.item}"
    above = [part.partition("-")[0] for part in key.run.removeprefix(top).split(".") if part]
    return "/".join([*above, own] if own else above)


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


def child_inputs(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """The capsule's inputs as JSON, defaults filled in; raises `StepFailure` when they are not what it declares."""
    values = {name: given[name] for name in given if name in plan.inputs}
    unknown = [name for name in given if name not in plan.inputs]
    if unknown:
        raise StepFailure("error", f"capsule `{plan.capsule.name}` has no input `{unknown[0]}`")
    inputs = {
        name: to_builtins(values[name]) if name in values else schema.get("default")
        for name, schema in plan.inputs.items()
        if name in values or "default" in schema
    }
    made_up = held_artifacts(with_artifacts(inputs, plan.inputs)) - held_artifacts(values)
    if made_up:
        raise StepFailure("error", "an object in the form of an artifact is none: it must be an output of a step")
    try:
        OutputCheck(plan.inputs, plan.types, ready(plan).input_types, what="input")(inputs)
    except StepFailure as fault:
        raise StepFailure("error", f"capsule `{plan.capsule.name}`: {fault.message}") from None
    return inputs


def taken_over(results: Iterable[StepResult], plan: Plan) -> list[StepResult]:
    """What the next run of a capsule keeps: every step, and every item of one, that succeeded or was skipped."""
    steps = {node.id for node in plan.nodes}  # `finally` steps run in every run
    return [result for result in results if result.key.step in steps and result.phase in _GOOD]


def failure(run: RunRecord, why: Failure | None, spent: Amounts) -> StepFailure:
    """Why the step fails whose capsule did: the message names every capsule and step on the way down."""
    message = why.message if why is not None else "it did not succeed"
    kind = why.failure_class if why is not None and why.failure_class not in {"cancelled", "omitted"} else "error"
    return StepFailure(kind, f"capsule `{run.capsule}`: {message}", spent=spent, child=run.id)


def parked(step: Step, run: RunRecord, questions: Iterable[Question]) -> Park:
    """The step waits while people are asked inside its capsule."""
    asked = list(questions)
    own = path_below(step.run.id, step.key)
    first = f"{own}/{asked[0].path}: {asked[0].waiting.title}" if asked else f"capsule `{run.capsule}` waits"
    more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    dues = [one.waiting.due for one in asked if one.waiting.due is not None]
    return Park(Waiting(title=f"{first}{more}", child=run.id, due=min(dues, default=None)))


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
