"""The strongest matching rule decides, everything that matched is named, and no error ever opens a gate."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somagent.governance.constitution import Circumstances, Constitution, judge_input, judge_step
from somagent.governance.verdict import Effect, Match, Verdict

Make = Callable[..., Constitution]
ORDER: list[Effect] = ["allow", "audit", "require_review", "deny"]
HERE = Circumstances(step="build", operator="script", gate=False, capsule="demo", run="r1", submitter="ana")

TRUE, FALSE, FAILS = "input.zero == 0", "input.zero == 1", "1 / input.zero == 1"
ZERO = {"zero": {"type": "integer", "default": 0}}


def rule(id_: str, effect: Effect, when: str = TRUE, **more: Any) -> dict[str, Any]:
    return {"id": id_, "effect": effect, "when": when, "because": f"reason of {id_}", **more}


@pytest.mark.parametrize("default", ORDER)
def test_without_a_matching_rule_the_default_stands_and_says_so(make: Make, default: Effect) -> None:
    constitution = make([rule("a", "deny", FALSE)], input=ZERO, otherwise=default)
    because = [] if default == "allow" else [f"no rule of `under-test` matches, and it says `otherwise: {default}`"]
    assert judge_input(constitution, {}, HERE) == Verdict(
        effect=default, because=because, constitution=constitution.digest
    )


def test_what_nobody_wrote_down_is_denied(make: Make) -> None:
    assert judge_input(make(), {}, HERE).effect == "deny"
    assert judge_step(make(), HERE).effect == "deny"


def test_all_that_matched_is_named_and_what_decided_comes_first(make: Make) -> None:
    rules = [rule("a", "allow"), rule("b", "deny"), rule("c", "audit"), rule("d", "deny", FALSE), rule("e", "deny")]
    verdict = judge_input(make(rules, input=ZERO), {}, HERE)
    assert verdict.effect == "deny"
    assert verdict.rules == ["b", "e"]
    assert verdict.because == ["reason of b", "reason of e"]
    assert verdict.also == [
        Match(rule="a", effect="allow", because="reason of a"),
        Match(rule="c", effect="audit", because="reason of c"),
    ]


@pytest.mark.parametrize("effect", ["deny", "require_review", "audit"])
def test_a_rule_that_fails_counts_as_matched_and_says_why(make: Make, effect: Effect) -> None:
    constitution = make([rule("broken", effect, FAILS)], input=ZERO, otherwise="allow")
    verdict = judge_input(constitution, {}, HERE)
    assert verdict.effect == effect
    assert verdict.rules == ["broken"]
    assert "reason of broken (the rule failed and counts as matched: " in verdict.because[0]
    assert "zero" in verdict.because[0]


def test_an_allow_that_fails_allows_nothing_and_is_not_hidden(make: Make) -> None:
    verdict = judge_input(make([rule("broken", "allow", FAILS)], input=ZERO), {}, HERE)
    assert verdict.effect == "deny"
    assert verdict.rules == []
    assert "rule `broken` failed and allows nothing" in verdict.because[1]


@pytest.mark.parametrize("effect", ["audit", "require_review"])
def test_a_failing_rule_never_softens_the_default(make: Make, effect: Effect) -> None:
    verdict = judge_input(make([rule("broken", effect, FAILS)], input=ZERO), {}, HERE)
    assert verdict.effect == "deny"
    assert [match.rule for match in verdict.also] == ["broken"]


def test_a_condition_that_turns_out_not_to_be_boolean_counts_as_failed(make: Make) -> None:
    constitution = make(
        [rule("a", "deny", 'input.labels["x"]'), rule("b", "allow")],
        input={"labels": {"type": "object"}, **ZERO},
    )
    assert judge_input(constitution, {"labels": {"x": False}}, HERE).effect == "allow"
    assert judge_input(constitution, {"labels": {"x": True}}, HERE).effect == "deny"
    verdict = judge_input(constitution, {"labels": {"x": "no"}}, HERE)
    assert verdict.effect == "deny"
    assert "neither true nor false" in verdict.because[0]
    assert judge_input(constitution, {"labels": {}}, HERE).effect == "deny"


def test_input_rules_know_the_step_the_capsule_and_the_run(make: Make) -> None:
    when = (
        'step.id == "build" && step.operator == "script" && !step.gate && capsule.name == "demo" && '
        'capsule.package == "" && capsule.version == "" && run.id == "r1" && run.submitter == "ana"'
    )
    assert judge_input(make([rule("a", "allow", when)]), {}, HERE).rules == ["a"]
    assert judge_step(make([rule("a", "allow", when, scope="step")]), HERE).rules == ["a"]


def test_step_rules_and_input_rules_do_not_mix(make: Make) -> None:
    constitution = make([rule("a", "allow", "true", scope="step"), rule("b", "require_review", "true")])
    assert judge_step(constitution, HERE).rules == ["a"]
    assert judge_input(constitution, {}, HERE).rules == ["b"]


Outcome = Literal["true", "false", "fails"]


@given(
    st.lists(st.tuples(st.sampled_from(ORDER), st.sampled_from(["true", "false", "fails"])), max_size=6),
    st.sampled_from(ORDER),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
def test_the_effect_follows_the_written_law(make: Make, drawn: list[tuple[Effect, Outcome]], default: Effect) -> None:
    texts = {"true": TRUE, "false": FALSE, "fails": FAILS}
    rules = [rule(f"r{number}", effect, texts[outcome]) for number, (effect, outcome) in enumerate(drawn)]
    verdict = judge_input(make(rules, input=ZERO, otherwise=default), {}, HERE)
    matched = [effect for effect, outcome in drawn if outcome == "true"]
    failed = [effect for effect, outcome in drawn if outcome == "fails"]
    base = max((ORDER.index(effect) for effect in matched), default=ORDER.index(default))
    assert ORDER.index(verdict.effect) == max([base, *(ORDER.index(effect) for effect in failed)])
    named = {
        f"r{n}"
        for n, (effect, outcome) in enumerate(drawn)
        if outcome == "true" or (outcome == "fails" and effect != "allow")
    }
    assert {*verdict.rules, *(match.rule for match in verdict.also)} == named
