"""What people must give with an approval: typed, by the first of them, and agreed to by the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import compiled
from msgspec.structs import replace

from somagent.operators.answers import answer_fault
from somagent.operators.deciding import approvals_of, outcome
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.review import OPERATOR
from somagent.operators.review.arguments import OUTPUTS, ReviewArguments
from somagent.operators.runner.records import Decision, Waiting
from somagent.operators.submitter import Submitter

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ANA = Submitter("ana")
LEVEL = {"type": "integer", "minimum": 1, "maximum": 5, "description": "How risky it is"}
PLAN = {"type": "array", "items": {"$ref": "#/types/Move"}}
TYPES = {"Move": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}}
ASKED = Waiting(title="How?", count=2, outputs={"level": LEVEL, "plan": PLAN}, types=TYPES)
GOOD = {"level": 3, "plan": [{"to": "x"}]}
MakeStep = Callable[..., Step]


def decide(by: str, minute: int = 1, *, approve: bool = True, **outputs: Any) -> Decision:
    at = NOW + timedelta(minutes=minute)
    return Decision(step="release_review", by=by, approve=approve, outputs=outputs, at=at)


def asking(step: Step, **schemas: Any) -> Step:
    """The step with these outputs declared."""
    node = replace(step.node, outputs=OUTPUTS | schemas)
    return replace(step, node=node, plan=replace(step.plan, types=TYPES, nodes=[node]))


def run(step: Step, **arguments: Any) -> Answer | Park:
    assert OPERATOR.run is not None
    try:
        return asyncio.run(OPERATOR.run(msgspec.convert({"title": "How?"} | arguments, ReviewArguments), step))
    finally:
        step.log.close()


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ({}, "`level` is missing (integer: How risky it is); `plan` is missing (array)"),
        ({"level": 3}, "`plan` is missing (array)"),
        (GOOD | {"level": 9}, "`level`: 9 is greater than the maximum of 5"),
        (GOOD | {"level": "3"}, '`level`: "3" is not of type "integer"'),
        (GOOD | {"plan": [{"to": "x"}, {"to": 1}]}, '`plan[1].to`: 1 is not of type "string"'),
        (GOOD | {"plan": [{}]}, '`plan[0]`: "to" is a required property'),
        (GOOD | {"levle": 1}, "`levle` is not asked for; did you mean `level`?"),
        (GOOD | {"level": 2**60}, "`level` holds a number or a text that JSON cannot keep exactly"),
    ],
)
def test_what_is_not_as_declared_is_refused_with_place_and_type(outputs: dict[str, Any], why: str) -> None:
    assert answer_fault(ASKED, decide("bo", **outputs), ()) == why
    assert outcome(ASKED, [decide("bo", **outputs)] * 2, submitter=ANA, now=NOW) is None


def test_the_first_approval_gives_the_values_and_others_agree_to_them() -> None:
    first = decide("bo", **GOOD)
    assert answer_fault(ASKED, first, ()) == ""
    assert answer_fault(ASKED, decide("cy"), (first,)) == ""
    assert answer_fault(ASKED, decide("cy", level=3), (first,)) == ""
    assert (
        answer_fault(ASKED, decide("cy", level=4), (first,))
        == "`level` is another one than bo gave; agree to it, or reject"
    )
    assert answer_fault(ASKED, decide("cy", approve=False), (first,)) == ""
    assert answer_fault(Waiting(title="?"), decide("cy", level=4), ()) == "`level` is not asked for; asked for: nothing"


def test_the_step_asks_for_what_is_declared_and_gives_what_was_given(step: MakeStep) -> None:
    parked = run(asking(step(), level=LEVEL, plan=PLAN), reviewers={"count": 2})
    assert isinstance(parked, Park)
    assert (parked.waiting.outputs, parked.waiting.types) == ({"level": LEVEL, "plan": PLAN}, TYPES)
    assert run(asking(step(), level=LEVEL)).waiting.types == {}  # type: ignore[union-attr]
    decisions = [decide("bo", **GOOD), decide("cy", 2)]
    answer = run(asking(step(decisions=decisions), level=LEVEL, plan=PLAN), reviewers={"count": 2})
    assert isinstance(answer, Answer)
    assert answer.outputs == {"decision": "approve", "by": ["bo", "cy"], "comment": ""} | GOOD


def test_where_nobody_was_asked_nobody_gave_anything(step: MakeStep) -> None:
    with pytest.raises(StepFailure, match="nobody had to be asked, so nobody gave the output `level`"):
        run(asking(step(), level=LEVEL), verdict="allow")
    asked = replace(ASKED, due=NOW)
    late = asking(step(asked=asked, now=NOW + timedelta(hours=2)), level=LEVEL)
    with pytest.raises(StepFailure, match="nobody decided in time, so nobody gave the output `level`"):
        run(late, due="1h", onTimeout="approve")


@pytest.mark.parametrize(
    ("review", "outputs", "found"),
    [
        ("due: 1h", "level: { type: integer }", []),
        ("onTimeout: reject", "level: { type: integer }", []),
        ("onTimeout: approve", "level: { type: integer }", ["outputs-of-nobody"]),
        ("onTimeout: '${{ inputs.then }}'", "level: { type: integer }", ["outputs-of-nobody"]),
        ("verdict: '${{ inputs.verdict }}'", "level: { type: integer }", ["outputs-of-nobody"]),
        ("verdict: '${{ inputs.verdict }}'", "", []),
        ("due: 1h", "by: { type: integer }, file: { type: artifact }", ["reserved-output", "artifact-from-people"]),
    ],
)
def test_a_gate_that_may_open_unasked_asks_for_nothing(review: str, outputs: str, found: list[str]) -> None:
    spec = f"""\
  inputs:
    verdict: {{ type: string, enum: [allow, require_review], default: allow }}
    then: {{ type: string, enum: [approve, reject], default: approve }}
  steps: {{ ask: {{ review: {{ title: "How?", {review} }}, outputs: {{ {outputs} }} }} }}
"""
    assert [one.name for one in compiled("gate", spec).diagnostics] == found


VALUES = st.fixed_dictionaries({}, optional={"level": st.integers(0, 6), "plan": st.just([{"to": "x"}])})


@given(st.lists(st.builds(lambda by, given: decide(by, **given), st.sampled_from("abc"), VALUES), max_size=6))
def test_a_gate_opens_only_on_values_that_each_of_its_people_agreed_to(decisions: list[Decision]) -> None:
    in_order = [replace(one, at=NOW + timedelta(minutes=place)) for place, one in enumerate(decisions)]
    end = outcome(ASKED, in_order, submitter=ANA, now=NOW)
    if end is None:
        return
    first, *others = end.deciding
    assert set(first.outputs) == {"level", "plan"}
    assert 1 <= first.outputs["level"] <= 5
    assert len({one.by for one in end.deciding}) == 2
    assert all(first.outputs[name] == value for one in others for name, value in one.outputs.items())
    assert approvals_of(ASKED, in_order, ANA) == end.deciding
