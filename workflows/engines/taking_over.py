"""What a new run takes over from an old one, and why the rest runs again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from somagent.capsule_compiler.plan import Node, Plan, node_content
from somagent.governance.documents import nearest
from somagent.operators.names import person
from somagent.operators.runner.records import NO_ITEM, Decision, Phase, RunRecord, StepResult
from somagent.workflows.engines.protocol import EngineError

_GOOD: frozenset[Phase] = frozenset({"Succeeded", "Skipped"})


class OldRun(NamedTuple):
    """A run as far as another one can take over from it."""

    run: RunRecord
    plan: Plan
    results: Sequence[StepResult]
    decisions: Sequence[Decision]
    inside: Sequence[Decision] = ()  # in the runs of its capsules


class TakenOver(NamedTuple):
    """A new run before it starts: what it keeps of the old one, and why each of the other steps runs."""

    old: RunRecord
    plan: Plan
    inputs: Mapping[str, Any]
    again: Mapping[str, str]  # reason by step, in the order of the plan
    results: Sequence[StepResult]
    decisions: Sequence[Decision]

    @property
    def kept(self) -> list[str]:
        """The steps that do not run again, in the order of the plan."""
        return [node.id for node in self.plan.nodes if node.id not in self.again]


def take_over(old: OldRun, step: str, plan: Plan | None, inputs: Mapping[str, Any] | None, submitter: str) -> TakenOver:
    """What a run of `plan` keeps (default: the old run's plan and inputs): good results of steps that are the same,
    with the same inputs, and after nothing that runs again.

    What `submitter`, who starts it, decided on in the old run of somebody else is asked anew, for the new run is to be
    decided on by others. With `step`, that step runs again whatever became of it. Raises `EngineError` for one that the
    plan does not have.
    """
    plan = plan or old.plan
    inputs = old.run.inputs if inputs is None else inputs
    names = [node.id for node in plan.nodes]
    if step and step not in names:
        near = nearest(step, names)
        others = f"did you mean `{near}`?" if near else f"its steps are: {', '.join(names)}"
        raise EngineError(f"the run has no step `{step}` to go on from; {others}")
    phases = {result.key.step: result.phase for result in old.results if result.key.item == NO_ITEM}
    before = {node.id: node for node in old.plan.nodes}
    again: dict[str, str] = {}
    for node in plan.nodes:  # in topological order
        why = "it was named" if node.id == step else _changed(node, before.get(node.id), old, plan, inputs)
        why = why or _unfinished(phases.get(node.id)) or _after(node, again) or _own(node, old, submitter)
        if why:
            again[node.id] = why
    kept = set(names) - again.keys()
    return TakenOver(
        old=old.run,
        plan=plan,
        inputs=inputs,
        again=again,
        results=[result for result in old.results if result.key.step in kept],
        decisions=[decision for decision in old.decisions if decision.step in kept],
    )


def _changed(node: Node, before: Node | None, old: OldRun, plan: Plan, inputs: Mapping[str, Any]) -> str:
    if plan is old.plan and inputs is old.run.inputs:
        return ""
    if before is None:
        return "it is new"
    if plan.constitution.digest != old.plan.constitution.digest:
        return "another constitution governs it"
    same = node_content(plan, node, inputs) == node_content(old.plan, before, old.run.inputs)
    return "" if same else "it, or an input that it reads, has changed"


def _unfinished(phase: Phase | None) -> str:
    if phase is None:
        return "it had not ended"
    return "" if phase in _GOOD else f"it was {phase.lower()}" if phase != "Failed" else "it failed"


def _after(node: Node, again: Iterable[str]) -> str:
    return next((f"it comes after `{edge.step}`" for edge in node.needs if edge.step in again), "")


def _own(node: Node, old: OldRun, submitter: str) -> str:
    who = person(submitter)
    if who == person(old.run.submitter):
        return ""
    decided = old.inside if node.capsule else [one for one in old.decisions if one.step == node.id]
    return f"{submitter}, who starts this run, decided on it" if any(person(one.by) == who for one in decided) else ""
