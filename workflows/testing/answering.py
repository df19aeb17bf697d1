"""Operators that ask the case first: where it declares an answer, that is the step's, and nothing outside is touched.

All else of a step (guards, arguments, constitution, budget, deadline, output types, retries) is the step runner's, as
in every run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace as with_fields

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.model.quantities import count, money
from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.capsule import OPERATOR as CAPSULE
from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.records import Artifact, StepKey
from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.testing.model import Answer as Declared
from somagent.workflows.testing.model import AttemptAnswer, Case, ItemAnswer

ANSWERED = "answered capsule"  # the operator of capsule steps that a case answers for


@dataclass(slots=True)
class Desk:
    """What the cases at work declare, by the id of their run."""

    folder: Path  # of the file of tests
    cases: dict[str, Case] = field(default_factory=dict)
    answered: dict[str, dict[str, None]] = field(default_factory=dict)  # run: addresses of steps that were not real
    _tries: dict[StepKey, int] = field(default_factory=dict)

    def find(self, key: StepKey) -> AttemptAnswer | None:
        """What is declared for this attempt, None when the step is real; raises `StepFailure` without an item."""
        run = key.run.partition(".")[0]
        address = address_of(run, key)
        declared = self.cases[run].answers.get(address) if run in self.cases else None
        if declared is None or not declares_end(declared):
            return None
        self.answered.setdefault(run, {})[address] = None
        tried = self._tries[key] = self._tries.get(key, 0) + 1
        one: Declared | ItemAnswer = declared
        if declared.items is not UNSET:
            if key.item >= len(declared.items):
                message = f"the case answers for {len(declared.items)} items of `{address}`, and there are more"
                raise StepFailure("error", message)
            one = declared.items[key.item]
        if one.attempts is not UNSET:
            return one.attempts[min(tried, len(one.attempts)) - 1]
        return AttemptAnswer(outputs=one.outputs, failure=one.failure, spent=one.spent)


def address_of(run: str, key: StepKey) -> str:
    """The address of a step in a run or in one inside it: its path without the numbers of items."""
    path = path_below(run, StepKey(key.run, key.step))
    return "/".join(part for part in path.split("/") if not part.isdigit())


def declares_end(answer: Declared) -> bool:
    """Whether an answer stands for the step itself, not only for people's decisions."""
    return any(one is not UNSET for one in (answer.outputs, answer.failure, answer.attempts, answer.items))


def answering(operators: Mapping[str, Operator], desk: Desk) -> dict[str, Operator]:
    """The operators of an installation, asking the desk first."""
    known = {name: _asking(operator, desk) for name, operator in operators.items() if name != CAPSULE.entry.name}
    whole = OperatorEntry(name=ANSWERED, summary="A capsule step that a test answers for", arguments={}, core=True)
    return {**known, ANSWERED: _asking(Operator(whole, CAPSULE.arguments, None), desk)}


def without_answered_capsules(plan: Plan, case: Case) -> Plan:
    """The plan, in which no capsule is run that the case answers for; nor is waited between attempts."""

    def node(old: Node) -> Node:
        new = with_fields(old, retry=with_fields(old.retry, backoff_ms=0))
        answer = case.answers.get(old.id)
        if old.capsule and answer is not None and declares_end(answer):
            return with_fields(new, operator=ANSWERED, capsule="")
        return new

    def without_waits(one: Plan) -> Plan:
        nodes, finals = (
            [with_fields(old, retry=with_fields(old.retry, backoff_ms=0)) for old in nodes]
            for nodes in (one.nodes, one.finals)
        )
        return with_fields(one, nodes=nodes, finals=finals)

    return with_fields(
        plan,
        nodes=[node(old) for old in plan.nodes],
        finals=[node(old) for old in plan.finals],
        capsules={digest: without_waits(one) for digest, one in plan.capsules.items()},
    )


def _asking(operator: Operator, desk: Desk) -> Operator:
    real: Callable[[Any, Step], Awaitable[Answer | Park]] | None = operator.run

    async def run(arguments: Any, step: Step) -> Answer | Park:
        declared = desk.find(step.key)
        if declared is not None:
            return await _declared(declared, step, desk.folder)
        if real is None:
            raise StepFailure("error", f"`{operator.entry.name}` steps are not run by this version of SomaGent")
        return await real(arguments, step)

    return Operator(operator.entry, operator.arguments, run, operator.estimate, operator.abandon)


async def _declared(declared: AttemptAnswer, step: Step, folder: Path) -> Answer:
    spent = Amounts()
    if declared.spent is not UNSET:
        tokens = count(declared.spent.tokens) if declared.spent.tokens is not UNSET else 0
        cost = money(declared.spent.cost).micros if declared.spent.cost is not UNSET else 0
        spent = Amounts(tokens=tokens, cost_micros=cost)
    if declared.failure is not UNSET:
        raise StepFailure(declared.failure.failure_class, declared.failure.message, spent=spent)
    outputs: dict[str, Any] = dict(declared.outputs or {})
    for name, schema in step.node.outputs.items():
        if schema.get("type") == "artifact" and name in outputs:
            outputs[name] = await _artifact(name, outputs[name], step, folder)
    return Answer(outputs, spent)


async def _artifact(name: str, value: dict[str, str], step: Step, folder: Path) -> Artifact:
    if "path" in value:
        path = folder / value["path"]
        return await in_thread(step.contents.put_path, path, value.get("name", path.name))
    path = step.own_folder() / "answer"
    path.write_text(value["text"], encoding="utf-8")
    return await in_thread(step.contents.put_path, path, value.get("name", name))


__all__ = ["ANSWERED", "Desk", "address_of", "answering", "declares_end", "without_answered_capsules"]
