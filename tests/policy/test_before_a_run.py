"""What is said of a step before the run holds in every run."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from somagent.governance.constitution import (
    Circumstances,
    Constitution,
    default_constitution,
    judge_input,
    judge_step,
    static_step_verdict,
)

Make = Callable[..., Constitution]
STEP = Circumstances(step="build", operator="script", gate=False, capsule="demo")


def rule(id_: str, effect: str, when: str) -> dict[str, Any]:
    return {"id": id_, "scope": "step", "effect": effect, "when": when, "because": f"reason of {id_}"}


@pytest.mark.parametrize(
    ("rules", "steps", "said"),
    [
        ([], "allow", "allow"),
        ([], "deny", "deny"),
        ([("audit", 'step.operator == "script"')], "allow", "audit"),
        ([("deny", 'run.submitter == "mallory"')], "allow", "depends"),
        ([("deny", 'run.submitter == "mallory" && step.operator == "bundle"')], "allow", "allow"),
        ([("audit", 'run.submitter != "" || step.id == "build"')], "allow", "audit"),
        ([("audit", 'run.submitter == "ana"'), ("deny", "true")], "allow", "deny"),
        ([("allow", 'run.submitter == "ana"')], "deny", "depends"),
        ([("allow", 'run.submitter == "ana"')], "allow", "allow"),
        ([("allow", "true"), ("allow", 'run.submitter == "ana"')], "deny", "allow"),
        ([("deny", "1 / size(capsule.package) == 1")], "allow", "deny"),
        ([("allow", "1 / size(capsule.package) == 1")], "deny", "deny"),
        ([("deny", "has(run.id)")], "allow", "depends"),
        ([("deny", '[run.id].exists(x, x == "r" || step.id == "build")')], "allow", "depends"),
    ],
)
def test_a_verdict_is_said_only_when_it_is_certain(
    make: Make, rules: list[tuple[str, str]], steps: str, said: str
) -> None:
    written = [rule(f"r{number}", effect, when) for number, (effect, when) in enumerate(rules)]
    assert static_step_verdict(make(written, steps=steps), STEP) == said


ATOMS = [
    'step.operator == "script"',
    'step.id == "other"',
    'run.submitter == "ana"',
    "1 / size(run.submitter) == 1",
    "1 / size(capsule.package) == 1",
    'run.id.startsWith("r")',
    '["a", run.id].exists(x, x == "r2")',
]
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=5,
)
EFFECTS = ["allow", "audit", "require_review", "deny"]


@given(st.lists(st.tuples(st.sampled_from(EFFECTS), CONDITIONS), max_size=4), st.sampled_from(EFFECTS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_what_is_certain_before_holds_in_every_run(make: Make, drawn: list[tuple[str, str]], steps: str) -> None:
    constitution = make([rule(f"r{n}", effect, when) for n, (effect, when) in enumerate(drawn)], steps=steps)
    said = static_step_verdict(constitution, STEP)
    for run in ("r1", "r2", "x"):
        for submitter in ("", "ana", "b"):
            verdict = judge_step(constitution, replace(STEP, run=run, submitter=submitter))
            assert said in {"depends", verdict.effect}


def test_a_constitution_without_step_rules_answers_with_one_ready_verdict(make: Make) -> None:
    constitution = make(steps="allow")
    assert judge_step(constitution, STEP) is judge_step(constitution, replace(STEP, step="other"))


@pytest.mark.parametrize(
    ("operator", "effect", "rules"),
    [
        ("script", "audit", ["scripts-are-noted"]),
        ("policy", "allow", []),
        ("review", "allow", []),
        ("bundle", "allow", []),
        ("acme_deploy", "audit", ["foreign-operators-are-noted"]),
    ],
)
def test_the_default_constitution_lets_steps_run_and_notes_what_it_cannot_see_into(
    operator: str, effect: str, rules: list[str]
) -> None:
    verdict = judge_step(default_constitution(), replace(STEP, operator=operator))
    assert (verdict.effect, verdict.rules) == (effect, rules)
    assert static_step_verdict(default_constitution(), replace(STEP, operator=operator)) == effect


def test_the_default_constitution_opens_no_policy_gate() -> None:
    assert judge_input(default_constitution(), {}, STEP).effect == "deny"
