"""Asks the constitution before a step runs; what it denies never runs, and what it wants reviewed waits for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.verdict import Verdict
from somagent.operators.runner.records import Decision, RunRecord, Waiting
from somagent.operators.runner.values import digest_of_value

_SHOWN_BYTES = 16_384


class Consent(Struct, frozen=True, kw_only=True):
    """The verdict on a step, and what stands in the way: a denial, or a question to people. Neither: it may run."""

    verdict: Verdict | None = None
    denial: str = ""
    fault: str = ""  # the rule book itself cannot be used
    waiting: Waiting | None = None


def ask(
    *, plan: Plan, node: Node, run: RunRecord, arguments: Any, decisions: Sequence[Decision], now: datetime
) -> Consent:
    """What the constitution says of this step with these people's decisions."""
    from somagent.governance.constitution import ConstitutionRefused, judge_step  # noqa: PLC0415 - loads its checker
    from somagent.operators.rule_books import circumstances_of, constitution_of  # noqa: PLC0415

    try:
        verdict = judge_step(constitution_of(plan.constitution), circumstances_of(plan, node, run))
    except ConstitutionRefused as refused:
        return Consent(fault=str(refused))
    if verdict.effect == "deny":
        return Consent(verdict=verdict, denial=f"denied by constitution `{plan.constitution.name}`{_reasons(verdict)}")
    if verdict.effect == "require_review":
        return _reviewed(verdict, plan=plan, node=node, run=run, arguments=arguments, decisions=decisions, now=now)
    return Consent(verdict=verdict)


def _reviewed(
    verdict: Verdict,
    *,
    plan: Plan,
    node: Node,
    run: RunRecord,
    arguments: Any,
    decisions: Sequence[Decision],
    now: datetime,
) -> Consent:
    from somagent.operators.deciding import outcome, question_of, rejection  # noqa: PLC0415 - most steps need no people

    small = len(msgspec.json.encode(arguments)) <= _SHOWN_BYTES
    shown = arguments if small else f"too large to show: {digest_of_value(arguments)}"
    question = Waiting(
        title=f"May step `{node.id}` run? Constitution `{plan.constitution.name}` asks{_reasons(verdict)}",
        show=[{"operator": node.operator, "arguments": shown}],
        constitution=True,
    )
    asked = question_of(question)
    own = [decision for decision in decisions if decision.question == asked]
    end = outcome(question, own, submitter=run.started_by, now=now)
    if end is None:
        return Consent(verdict=verdict, waiting=question)
    if end.kind == "rejected":
        return Consent(verdict=verdict, denial=rejection(end.deciding[0]))
    return Consent(verdict=verdict)


def _reasons(verdict: Verdict) -> str:
    if not verdict.rules:
        return f": {'; '.join(verdict.because)}" if verdict.because else ""
    reasons = zip(verdict.rules, verdict.because, strict=True)
    return ": " + "; ".join(f"`{rule}`: {because}" for rule, because in reasons)
