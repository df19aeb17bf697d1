"""Asks a rule book about a step's input. Deny closes the gate, and so does whatever cannot be judged.

A verdict of `require_review` opens nothing by itself: people are asked here, or by a `review` step that reads it.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from somagent.capsule_compiler.plan import Plan, RuleBook
from somagent.governance.constitution import ConstitutionRefused, InputRefused, judge_input
from somagent.governance.verdict import Verdict
from somagent.operators.deciding import outcome, rejection
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.policy.arguments import PolicyArguments
from somagent.operators.rule_books import circumstances_of, constitution_of
from somagent.operators.runner.records import Waiting


async def run(arguments: PolicyArguments, step: Step) -> Answer | Park:
    """The verdict, or a question. Raises `StepFailure`: `denied` by rule or person, `error` without a verdict."""
    book = _book(arguments.set, step.plan)
    values = msgspec.to_builtins(arguments.input)
    try:
        constitution = constitution_of(book)
        verdict = judge_input(constitution, values, circumstances_of(step.plan, step.node, step.run))
    except ConstitutionRefused as refused:
        raise StepFailure("error", str(refused)) from None
    except InputRefused as refused:
        raise StepFailure("error", f"`{book.name}` cannot judge this input: {refused}") from None
    for line in _lines(verdict):
        step.log.line(line)
    if verdict.effect == "deny":
        raise StepFailure("denied", _denial(verdict, book.name), verdict=verdict)
    if verdict.effect == "require_review" and arguments.on_review == "wait":
        waiting = Waiting(title=_question(verdict, book.name), show=[values])
        end = outcome(waiting, step.decisions, submitter=step.run.started_by, now=step.now())
        if end is None:
            return Park(waiting, verdict)
        if end.kind == "rejected":
            raise StepFailure("denied", rejection(end.deciding[0]), verdict=verdict)
    outputs = {"verdict": verdict.effect, "rules": verdict.rules, "because": verdict.because}
    return Answer(outputs, verdict=verdict)


def _book(name: str | UnsetType, plan: Plan) -> RuleBook:
    if name is UNSET:
        return plan.constitution
    try:
        return plan.policies[name]
    except KeyError:
        raise StepFailure("error", f"the plan has no policy set `{name}`") from None


def _question(verdict: Verdict, book: str) -> str:
    return f"`{book}` asks for a review: {'; '.join(verdict.because)}"


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
