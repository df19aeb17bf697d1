"""Operators that ask the case first: where it declares an answer, that is the step's, and nothing outside is touched.

All else of a step (guards, arguments, constitution, budget, deadline, output types, retries) is the step runner's, as
in every run.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from somagent.capsule_compiler.model.quantities import count, money
from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.artifacts import holds_artifacts, places_of_artifacts
from somagent.operators.runner.records import Artifact, StepKey
from somagent.operators.runner.threads import in_thread
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.testing.model import Answer as Declared
from somagent.workflows.testing.model import AttemptAnswer, ItemAnswer

ENDS = ("outputs", "failure", "attempts", "items")  # of an answer: one of them says how the step ends


class Notes(Struct):
    """What happened at the desk in one case."""

    answered: dict[str, set[int]] = field(default_factory=dict)  # steps that were not real: the items asked about
    unanswered: dict[str, str] = field(default_factory=dict)  # steps that the case should have answered for: why


class Desk(Struct):
    """What the cases at work declare for steps, by the id of their run."""

    folder: Path  # of the file of tests
    answers: dict[str, Mapping[str, Declared]] = field(default_factory=dict)
    notes: dict[str, Notes] = field(default_factory=dict)
    _tries: dict[StepKey, int] = field(default_factory=dict)

    def open(self, run: str, answers: Mapping[str, Declared]) -> Notes:
        """Takes a case's answers in; its notes fill while it runs."""
        self.answers[run] = answers
        return self.notes.setdefault(run, Notes())

    def find(self, key: StepKey) -> AttemptAnswer | None:
        """What is declared for this attempt, None when nothing is; raises `StepFailure` without an item."""
        run = key.run.partition(".")[0]
        address = address_of(run, key)
        declared = self.answers[run].get(address)
        if declared is None or not declares_end(declared):
            return None
        self.notes[run].answered.setdefault(address, set()).add(key.item)
        tried = self._tries[key] = self._tries.get(key, 0) + 1
        one: Declared | ItemAnswer = declared
        if declared.items is not UNSET:
            if key.item >= len(declared.items):
                number = len(declared.items)
                raise self.refuse(key, f"the case answers for {number} item{'s' * (number != 1)}, and there are more")
            one = declared.items[key.item]
        if one.attempts is not UNSET:
            return one.attempts[min(tried, len(one.attempts)) - 1]
        return AttemptAnswer(outputs=one.outputs, failure=one.failure, spent=one.spent)

    def refuse(self, key: StepKey, why: str) -> StepFailure:
        """The failure of a step that the case should have answered for; whatever it expects, it has failed then."""
        run = key.run.partition(".")[0]
        self.notes[run].unanswered.setdefault(address_of(run, key), why)
        return StepFailure("error", why)


def address_of(run: str, key: StepKey) -> str:
    """The address of a step in a run or in one inside it: its path without the numbers of items."""
    path = path_below(run, StepKey(key.run, key.step))
    return "/".join(part for part in path.split("/") if not part.isdigit())


def declares_end(answer: Declared) -> bool:
    """Whether an answer stands for the step itself, not only for people's decisions."""
    return any(getattr(answer, name) is not UNSET for name in ENDS)


def without_waits(plan: Plan) -> Plan:
    """The plan, in which nobody waits between attempts."""

    def at_once(one: Plan) -> Plan:
        nodes, finals = (
            [replace(node, retry=replace(node.retry, backoff_ms=0)) for node in nodes]
            for nodes in (one.nodes, one.finals)
        )
        return replace(one, nodes=nodes, finals=finals)

    return replace(at_once(plan), capsules={digest: at_once(one) for digest, one in plan.capsules.items()})


def asking(operator: Operator, desk: Desk) -> Operator:
    """The operator, asking the desk first."""
    real: Callable[[Any, Step], Awaitable[Answer | Park]] | None = operator.run

    async def run(arguments: Any, step: Step) -> Answer | Park:
        declared = desk.find(step.key)
        if declared is not None:
            return await _declared(declared, step, desk.folder)
        if real is None or operator.entry.outside or operator.cannot_run(step.node):
            raise desk.refuse(step.key, "it acts outside of the run, and the case has no answer for it")
        return await real(arguments, step)

    return replace(operator, run=run, not_yet=())


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
        if name in outputs and holds_artifacts(schema):
            outputs[name] = await _with_artifacts(outputs[name], schema, name, step, folder)
    return Answer(outputs, spent)


async def _with_artifacts(value: Any, schema: Mapping[str, Any], name: str, step: Step, folder: Path) -> Any:
    """The value, with stored content wherever its schema declares an artifact."""
    whole = copy.deepcopy([value])
    for place, artifact in list(places_of_artifacts(value, schema)):
        around: Any = whole
        for part in (0, *place)[:-1]:
            around = around[part]
        around[(0, *place)[-1]] = await _artifact(".".join(map(str, (name, *place))), artifact, step, folder)
    return whole[0]


async def _artifact(name: str, value: dict[str, Any], step: Step, folder: Path) -> Artifact:
    if "path" in value:
        path = folder / value["path"]
        return await in_thread(step.contents.put_path, path, value.get("name", path.name))
    path = step.own_folder() / "answers" / name
    for below, text in value["files"].items() if "files" in value else [("", value["text"])]:
        file = path / below
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return await in_thread(step.contents.put_path, path, value.get("name", name))
