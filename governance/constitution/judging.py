"""Verdicts: every rule of the scope is asked, the strongest effect among those that match decides.

Strength: deny > require_review > audit > allow. A rule that fails counts as matched, because an error must never open
what the rule was there to close; but it only ever makes a verdict stricter, and a failing `allow` counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from somagent.governance.cel import EvaluationError
from somagent.governance.constitution.attributes import admit
from somagent.governance.constitution.constitution import Constitution
from somagent.governance.constitution.rules import ReadyRule
from somagent.governance.constitution.scopes import Circumstances
from somagent.governance.verdict import STRENGTH, Effect, Match, StaticVerdict, Verdict


def judge_step(constitution: Constitution, circumstances: Circumstances) -> Verdict:
    """What the constitution says of a step that is about to run."""
    if not constitution.step_rules:
        return constitution.step_default
    return _judge(constitution.step_rules, circumstances.bindings(), constitution.step_default).verdict


def judge_input(constitution: Constitution, given: Mapping[str, Any], circumstances: Circumstances) -> Verdict:
    """What the constitution says of a policy step's input.

    Raises `InputRefused` when the input is not what the constitution declares; then there is no verdict.
    """
    bindings = {**circumstances.bindings(), "input": admit(constitution.input, given)}
    return _judge(constitution.input_rules, bindings, constitution.input_default).verdict


def static_step_verdict(constitution: Constitution, circumstances: Circumstances) -> StaticVerdict:
    """The step's verdict as far as it is certain before a run; `depends` when runs can differ.

    The run's own values are left unbound. CEL absorbs what does not matter (`false && error` is false), so a rule that
    has a value without them has that value in every run.
    """
    bindings = circumstances.known_before_a_run()
    certain: list[ReadyRule] = []
    unknown: list[ReadyRule] = []
    for rule in constitution.step_rules:
        (unknown if rule.reads_run and _fails(rule, bindings) else certain).append(rule)
    verdict, sound, failed = _judge(certain, bindings, constitution.step_default)
    # Of any set of further matches only the strongest counts, so adding them one by one covers all runs.
    default = constitution.step_default.effect
    if any(_decisive([*sound, rule.effect], failed, default) != verdict.effect for rule in unknown):
        return "depends"
    return verdict.effect


def _fails(rule: ReadyRule, bindings: Mapping[str, Any]) -> bool:
    try:
        rule.condition(bindings)
    except EvaluationError:
        return True
    return False


class _Judged(NamedTuple):
    verdict: Verdict
    sound: list[Effect]
    failed: list[Effect]


class _Hit(NamedTuple):
    rule: str
    effect: Effect
    because: str


def _judge(rules: Sequence[ReadyRule], bindings: Mapping[str, Any], default: Verdict) -> _Judged:
    hits: list[_Hit] = []
    sound: list[Effect] = []
    failed: list[Effect] = []
    failed_allows: list[str] = []
    for rule in rules:
        try:
            if rule.condition(bindings):
                sound.append(rule.effect)
                hits.append(_Hit(rule.id, rule.effect, rule.because))
        except EvaluationError as error:
            failed.append(rule.effect)
            if rule.effect == "allow":
                failed_allows.append(f"rule `{rule.id}` failed and allows nothing: {error.message}")
            else:
                because = f"{rule.because} (the rule failed and counts as matched: {error.message})"
                hits.append(_Hit(rule.id, rule.effect, because))
    if not hits and not failed_allows:
        return _Judged(default, sound, failed)
    effect = _decisive(sound, failed, default.effect)
    deciding = [hit for hit in hits if hit.effect == effect]
    weaker = [hit for hit in hits if hit.effect != effect]
    verdict = Verdict(
        effect=effect,
        rules=[hit.rule for hit in deciding],
        because=[hit.because for hit in deciding] or [*default.because, *failed_allows],
        also=[Match(rule=hit.rule, effect=hit.effect, because=hit.because) for hit in weaker],
        constitution=default.constitution,
    )
    return _Judged(verdict, sound, failed)


def _decisive(sound: Sequence[Effect], failed: Sequence[Effect], default: Effect) -> Effect:
    """The strongest effect of sound matches, else the default; made stricter by failed rules, never weaker."""
    strength = STRENGTH.__getitem__
    return max([max(sound, key=strength, default=default), *failed], key=strength)
