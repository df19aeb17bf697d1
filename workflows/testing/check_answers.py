"""The answers of a case, held against the steps that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.documents import Diagnostic, MappingNode, node_at
from somagent.governance.documents import Path as Place
from somagent.operators.runner.artifacts import holds_artifacts, places_of_artifacts
from somagent.workflows.testing.answering import ENDS
from somagent.workflows.testing.mistakes import known_beside, misplaced, unknown
from somagent.workflows.testing.model import Answer, AttemptAnswer, ItemAnswer
from somagent.workflows.testing.reading import Text
from somagent.workflows.testing.skeletons import skeleton
from somagent.workflows.testing.subject import Subject
from somagent.workflows.testing.values import artifact_faults, value_faults


def check_answer(text: Text, address: str, answer: Answer, place: Place, subject: Subject) -> Iterator[Diagnostic]:
    """Every mistake of an answer."""
    node_of = subject.place(address)
    if node_of is None:
        yield unknown(text, place, address, known_beside(address, subject), "step")
        return
    plan, node = node_of
    ends = _written(text, place, ENDS)
    if not ends and not _written(text, place, ("decisions",)):
        yield misplaced(text, place, f"the answer for `{address}` says nothing", f"write {skeleton(node, plan)}")
    if len(ends) > 1:
        message = f"an answer is one of {', '.join(f'`{name}`' for name in ENDS)}; this one has {len(ends)}"
        yield misplaced(text, (*place, ends[1]), message, "for several attempts, write them under `attempts`")
    if answer.spent is not UNSET and not {"outputs", "failure"} & set(ends):
        under = f"of `{ends[0]}`" if ends else "without an end"
        yield misplaced(text, (*place, "spent"), f"`spent` {under} belongs to each of them", "")
    if ends and not subject.takes_answer(node):
        message = f"`{address}` is a {node.operator} step: it always runs, and takes no `{ends[0]}`"
        help_ = "declare what people decide with `decisions`" if node.gate else "leave it out"
        yield misplaced(text, (*place, ends[0]), message, help_)
        return
    if answer.items is not UNSET and node.fan_out is None:
        yield misplaced(text, (*place, "items"), f"`{address}` is no fan-out step", "write `outputs`")
    yield from _ends(text, answer, place, plan, node)
    for number, item in enumerate(answer.items or ()):
        inside = (*place, "items", number)
        if len(_written(text, inside, ("outputs", "failure", "attempts"))) != 1:
            message = f"item {number} of `{address}` must have one of `outputs`, `failure`, `attempts`"
            yield Diagnostic("test-answer-misplaced", message, text.span(inside))
        yield from _ends(text, item, inside, plan, node)


def _ends(
    text: Text, answer: Answer | ItemAnswer | AttemptAnswer, place: Place, plan: Plan, node: Node
) -> Iterator[Diagnostic]:
    if answer.outputs is not UNSET:
        yield from _outputs(text, answer.outputs, (*place, "outputs"), plan, node)
    if not isinstance(answer, AttemptAnswer):
        for number, attempt in enumerate(answer.attempts or ()):
            inside = (*place, "attempts", number)
            if len(_written(text, inside, ("outputs", "failure"))) != 1:
                message = f"attempt {number + 1} must have one of `outputs` and `failure`"
                yield Diagnostic("test-answer-misplaced", message, text.span(inside))
            yield from _ends(text, attempt, inside, plan, node)


def _written(text: Text, place: Place, names: Sequence[str]) -> list[str]:
    """Which of these keys stand at a place, with a sound value or not."""
    node = node_at(text.root, place)
    return [name for name in names if isinstance(node, MappingNode) and name in node.entries]


def _outputs(text: Text, outputs: Mapping[str, Any], place: Place, plan: Plan, node: Node) -> Iterator[Diagnostic]:
    for name, value in outputs.items():
        schema = node.outputs.get(name)
        if schema is None:
            yield unknown(text, (*place, name), name, node.outputs, f"output of step `{node.id}`")
        else:
            if schema.get("type") != "artifact":
                yield from value_faults(text, value, schema, plan.types, (*place, name))
            for inside, artifact in places_of_artifacts(value, schema) if holds_artifacts(schema) else ():
                yield from artifact_faults(text, artifact, (*place, name, *inside))
    missing = [name for name in node.outputs if name not in outputs]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        message = f"the answer of `{node.id}` lacks {names}"
        help_ = f"a step gives every output that it declares: {skeleton(node, plan)}"
        yield Diagnostic("test-answer-wrong", message, text.key(place), help=help_)
