"""What a new run keeps of an old one: good results of steps that are the same, after nothing that runs again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import (
    Hole,
    IncludedFile,
    Plan,
    RuleBook,
    SecretUse,
    Template,
    UsedDocument,
    node_content,
)
from somagent.operators.runner.records import Decision, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.taking_over import OldRun, take_over

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
INPUTS = {"size": 3, "word": "a"}


def old_run(plan: Plan, **phases: Phase) -> OldRun:
    run = RunRecord(id="r", capsule="c", plan_digest="d", submitter="ana", inputs=INPUTS, created_at=AT)
    results = [StepResult(key=StepKey("r", step), phase=phase, ended_at=AT) for step, phase in phases.items()]
    return OldRun(run, plan, results, [])


@pytest.fixture
def diamond(make_plan: Callable[..., Plan], make_node: Callable[..., Any]) -> Plan:
    """A diamond: a -> (b, c) -> d; `b` reads an input and takes a folder along, `c` uses a tool, rules and a secret."""
    nodes = [
        make_node("a", arguments={"text": "plain"}),
        make_node("b", "a", outputs={"found": {"$ref": "#/types/Found"}}),
        make_node("c", "a", arguments={"use": "git", "set": "rules"}, secrets=["token"]),
        make_node("d", "b", "c"),
    ]
    reads = Template(value={"n": None, "include": ["./lib/"]}, holes=[Hole(at=["n"], cel="inputs.size + 1")])
    nodes[1] = replace(nodes[1], arguments=reads)
    book = RuleBook(name="r", version="1.0.0", digest="sha256:r", document={})
    return make_plan(
        *nodes,
        types={"Found": {"type": "integer"}},
        files=[IncludedFile(path="lib/x.py", digest="sha256:x", size=1)],
        tools={"git": UsedDocument(name="git", digest="sha256:g", document={})},
        policies={"rules": book},
        secrets={"token": SecretUse(secret="s", key="k", grant_to=["git"])},
    )


GOOD: dict[str, Phase] = {"a": "Succeeded", "b": "Succeeded", "c": "Skipped", "d": "Succeeded"}


@pytest.mark.parametrize(
    ("phases", "step", "again"),
    [
        (GOOD, "", {}),
        (GOOD, "c", {"c": "it was named", "d": "it comes after `c`"}),
        (GOOD | {"b": "Failed", "d": "Omitted"}, "", {"b": "it failed", "d": "it was omitted"}),
        (GOOD | {"b": "Failed", "d": "Omitted"}, "c", {"b": "it failed", "c": "it was named", "d": "it was omitted"}),
        (GOOD | {"b": "Cancelled", "d": "Cancelled"}, "", {"b": "it was cancelled", "d": "it was cancelled"}),
        ({"a": "Succeeded"}, "", {"b": "it had not ended", "c": "it had not ended", "d": "it had not ended"}),
    ],
)
def test_the_same_plan_keeps_what_ended_well(
    phases: dict[str, Phase], step: str, again: dict[str, str], diamond: Plan
) -> None:
    new = take_over(old_run(diamond, **phases), step, None, None, "ana")
    assert new.again == again
    assert {result.key.step for result in new.results} == set(new.kept) == {*"abcd"} - again.keys()


def test_a_step_that_the_plan_does_not_have_is_refused(diamond: Plan) -> None:
    with pytest.raises(EngineError, match="has no step `x`"):
        take_over(old_run(diamond, **GOOD), "x", None, None, "ana")


def with_node(plan: Plan, step: str, **changes: Any) -> Plan:
    nodes = [replace(node, **changes) if node.id == step else node for node in plan.nodes]
    return replace(plan, nodes=nodes)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda plan: plan, ""),
        (lambda plan: replace(plan, capsule=replace(plan.capsule, description="other", version="2.0.0")), ""),
        (lambda plan: replace(plan, inputs={"new": {"type": "string", "default": ""}}), ""),
        (lambda plan: with_node(plan, "b", timeout_ms=1), "bd"),
        (lambda plan: with_node(plan, "d", guard="true"), "d"),
        (lambda plan: with_node(plan, "a", arguments=Template(value={"text": "other"})), "abcd"),
        (lambda plan: replace(plan, types={"Found": {"type": "string"}}), "bd"),
        (lambda plan: replace(plan, files=[replace(plan.files[0], digest="sha256:y")]), "bd"),
        (lambda plan: replace(plan, files=[replace(plan.files[0], executable=True)]), "bd"),
        (lambda plan: replace(plan, tools={"git": replace(plan.tools["git"], digest="sha256:h")}), "cd"),
        (lambda plan: replace(plan, policies={"rules": replace(plan.policies["rules"], digest="sha256:s")}), "cd"),
        (lambda plan: replace(plan, secrets={"token": replace(plan.secrets["token"], key="other")}), "cd"),
        (lambda plan: replace(plan, constitution=replace(plan.constitution, digest="sha256:c")), "abcd"),
        (lambda plan: replace(plan, nodes=[replace(plan.nodes[0], id="first"), *plan.nodes[1:]]), "first"),
    ],
)  # fmt: skip
def test_another_plan_keeps_the_steps_that_stand_on_the_same(
    change: Callable[[Plan], Plan], again: str, diamond: Plan
) -> None:
    new = take_over(old_run(diamond, **GOOD), "", change(diamond), None, "ana")
    assert [*new.again] == ([again] if again == "first" else [*again])


@pytest.mark.parametrize(
    ("cel", "inputs", "again"),
    [
        ("inputs.size + 1", {"size": 4, "word": "a"}, "bd"),
        ("inputs.size + 1", {"size": 3, "word": "b"}, ""),
        ("size(inputs)", {"size": 3, "word": "b"}, "bd"),
        ("steps.a.inputs", {"size": 3, "word": "b"}, "bd"),  # only a text that looks like it; once too often is right
    ],
)
def test_other_inputs_run_the_steps_again_that_read_them(
    cel: str, inputs: dict[str, Any], again: str, diamond: Plan
) -> None:
    reads = Template(value={"n": None}, holes=[Hole(at=["n"], cel=cel)])
    plan = with_node(diamond, "b", arguments=reads)
    assert [*take_over(old_run(plan, **GOOD), "", None, inputs, "ana").again] == [*again]


def test_the_content_of_a_step_is_the_same_for_equal_plans(diamond: Plan) -> None:
    again = replace(diamond, source=replace(diamond.source, digest="sha256:other"))
    for one, other in zip(diamond.nodes, again.nodes, strict=True):
        assert node_content(diamond, one, INPUTS) == node_content(again, other, dict(reversed(INPUTS.items())))


@pytest.mark.parametrize(
    ("submitter", "again"), [("ana", []), ("bo", ["b", "d"]), ("BO", ["b", "d"]), ("cy", ["part"]), ("di", [])]
)
def test_what_somebody_else_starts_again_is_not_decided_on_by_them(
    make_plan: Callable[..., Plan], make_node: Callable[..., Any], submitter: str, again: list[str]
) -> None:
    plan = make_plan(make_node("b"), make_node("d", "b"), make_node("part", capsule="sha256:part"))
    decisions = [Decision(step="b", by=name, approve=True, at=AT) for name in ("ana", "bo")]
    inside = [Decision(step="b", by="cy", approve=True, at=AT)]
    old = old_run(plan, b="Succeeded", d="Succeeded", part="Succeeded")._replace(decisions=decisions, inside=inside)
    new = take_over(old, "", None, None, submitter)
    assert [*new.again] == again
    assert new.decisions == [one for one in decisions if "b" not in again]
