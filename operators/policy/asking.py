"""Asks a rule book about a step's input. Deny closes the gate; whatever cannot be judged does too."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from somagent.capsule_compiler.plan import Plan, RuleBook
from somagent.governance.constitution import ConstitutionRefused, InputRefused, judge_input
from somagent.governance.verdict import Verdict
from somagent.operators.operator import Answer, Step, StepFailure
from somagent.operators.policy.arguments import PolicyArguments
from somagent.operators.rule_books import circumstances_of, constitution_of


async def run(arguments: PolicyArguments, step: Step) -> Answer:
    """The verdict. Raises `StepFailure`: `denied` when it is deny, `error` when there is none."""
    book = _book(arguments.set, step.plan)
    try:
        constitution = constitution_of(book)
        verdict = judge_input(constitution, arguments.input, circumstances_of(step.plan, step.node, step.run))
    except ConstitutionRefused as refused:
        raise StepFailure("error", str(refused)) from None
    except InputRefused as refused:
        raise StepFailure("error", f"`{book.name}` cannot judge this input: {refused}") from None
    for line in _lines(verdict):
        step.log.line(line)
    if verdict.effect == "deny":
        raise StepFailure("denied", _denial(verdict, book.name), verdict=verdict)
    outputs = {"verdict": verdict.effect, "rules": verdict.rules, "because": verdict.because}
    return Answer(outputs, verdict=verdict)


def _book(name: str | UnsetType, plan: Plan) -> RuleBook:
    if name is UNSET:
        return plan.constitution
    try:
        return plan.policies[name]
    except KeyError:
        raise StepFailure("error", f"the plan has no policy set `{name}`") from None


def _denial(verdict: Verdict, book: str) -> str:
    if not verdict.rules:
        return f"denied by `{book}`: {'; '.join(verdict.because)}"
    reasons = zip(verdict.rules, verdict.because, strict=True)
    return f"denied by `{book}`: " + "; ".join(f"`{rule}`: {because}" for rule, because in reasons)


def _lines(verdict: Verdict) -> list[str]:
    lines = [f"verdict: {verdict.effect}"]
    if not verdict.rules:
        return lines + [f"  {because}" for because in verdict.because]
    lines += [f"  {rule}: {because}" for rule, because in zip(verdict.rules, verdict.because, strict=True)]
    return lines + [f"  also {match.rule} ({match.effect}): {match.because}" for match in verdict.also]
