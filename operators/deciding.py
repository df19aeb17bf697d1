"""Whose decisions count, and when they are enough. Engines ask the same question before they write a decision down.

A step may ask more than one thing: first the constitution may ask whether it may run at all, then its operator asks.
An answer to the one is none to the other, so every decision is tied to the digest of what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from somagent.capsule_compiler.plan import digest_of
from somagent.operators.answers import answer_fault
from somagent.operators.names import name_fault, person, spelled
from somagent.operators.runner.records import Decision, Waiting
from somagent.operators.submitter import Submitter


class Outcome(Struct, frozen=True):
    """How a review ended. `deciding` are the approvals that sufficed, or the one rejection; empty when time ran out."""

    kind: Literal["approved", "rejected", "timed_out"]
    deciding: tuple[Decision, ...] = ()


def question_of(waiting: Waiting) -> str:
    """The digest of what people are asked and who may answer; the due date, set when it is first asked, is no part."""
    return digest_of(msgspec.json.encode(replace(waiting, due=None), order="sorted"))


def objection(waiting: Waiting, decision: Decision, submitter: Submitter) -> str:
    """Why this decision does not count, as a sentence without a full stop; empty when it does.

    One that is tied to a question answers no other one. Whatever the case and blanks of a name, it is one person's.
    Named reviewers and members of named groups may decide; when neither is named, anyone.
    """
    if fault := name_fault(decision.by):
        return fault if spelled(decision.by) else "a decision needs a name"
    if decision.question and decision.question != question_of(waiting):
        return f"{decision.by} answered another question; asked now: {waiting.title}"
    if waiting.due is not None and decision.at >= waiting.due:
        return time_is_up(waiting)
    by = person(decision.by)
    if waiting.not_submitter and not submitter.name:
        return "nobody knows who started the run, and its submitter may not decide"
    if waiting.not_submitter and submitter.may_be(decision.by, *decision.aliases):
        known = f", by what Argo says of its submitter ({', '.join(submitter.labels)})" if submitter.labels else ""
        return f"{decision.by} started the run{known}, and its submitter may not decide"
    if not waiting.users and not waiting.groups:
        return ""
    if by in map(person, waiting.users) or not {*map(person, waiting.groups)}.isdisjoint(map(person, decision.groups)):
        return ""
    allowed = [*waiting.users, *(f"members of {group}" for group in waiting.groups)]
    return f"{decision.by} is not among the reviewers: {', '.join(allowed)}"


def time_is_up(waiting: Waiting) -> str:
    """What those are told who decide after the due date, and what the answer is without them."""
    return f"the time to decide ended at {waiting.due:%Y-%m-%d %H:%M:%S %Z}: {waiting.on_timeout} is the answer"


def outcome(waiting: Waiting, decisions: Sequence[Decision], *, submitter: Submitter, now: datetime) -> Outcome | None:
    """How the review has ended, None while it is open.

    Decisions count in the order of time, up to the due date, one person once; the first rejection ends the review.
    The answer is the same whenever it is asked for, so an engine that was away while the due date passed changes
    nothing.
    """
    approvals, rejected = _weighed(waiting, decisions, submitter)
    if rejected is not None:
        return Outcome("rejected", (rejected,))
    if len(approvals) >= waiting.count:
        return Outcome("approved", approvals)
    if waiting.due is not None and now >= waiting.due:
        return Outcome("timed_out", approvals)
    return None


def approvals_of(waiting: Waiting, decisions: Sequence[Decision], submitter: Submitter) -> tuple[Decision, ...]:
    """The approvals that count, one for each person, in the order of time."""
    return _weighed(waiting, decisions, submitter)[0]


def _weighed(
    waiting: Waiting, decisions: Sequence[Decision], submitter: Submitter
) -> tuple[tuple[Decision, ...], Decision | None]:
    """The approvals that count, up to the one that suffices, and the rejection that ends it all if there is one."""
    approvals: dict[str, Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.at):
        if waiting.due is not None and decision.at >= waiting.due:
            break
        if objection(waiting, decision, submitter):
            continue
        if not decision.approve:
            return tuple(approvals.values()), decision
        if answer_fault(waiting, decision, tuple(approvals.values())):
            continue
        approvals.setdefault(person(decision.by), decision)
        if len(approvals) >= waiting.count:
            break
    return tuple(approvals.values()), None


def rejection(decision: Decision) -> str:
    """How a rejection is told."""
    return f"rejected by {decision.by}" + (f": {decision.comment}" if decision.comment else "")
