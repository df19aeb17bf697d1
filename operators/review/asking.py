"""Asks people, unless a policy step's verdict says that nobody has to be asked. Opens only on enough approvals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from somagent.capsule_compiler.model.quantities import duration_ms
from somagent.operators.answers import given_by
from somagent.operators.deciding import Outcome, objection, outcome, rejection
from somagent.operators.names import person
from somagent.operators.operator import Answer, Park, Step, StepFailure
from somagent.operators.review.arguments import OUTPUTS, ReviewArguments
from somagent.operators.runner.records import Decision, Waiting
from somagent.operators.submitter import Submitter

_TIME = "%Y-%m-%d %H:%M:%S %Z"


async def run(arguments: ReviewArguments, step: Step) -> Answer | Park:
    """The decision, or a question to people. Raises `StepFailure`, class `denied`, when it was rejected."""
    if not _must_ask(arguments):
        step.log.line(f"the verdict is {arguments.verdict}: nobody has to be asked")
        return Answer({"decision": "allow", "by": [], "comment": ""} | _nobodys(step, "nobody had to be asked"))
    waiting = _waiting(arguments, step)
    _check_possible(waiting, step.run.started_by)
    for decision in step.decisions:
        step.log.line(_line(decision, waiting, step.run.started_by))
    end = outcome(waiting, step.decisions, submitter=step.run.started_by, now=step.now())
    if end is None:
        return Park(waiting)
    if end.kind == "rejected":
        raise StepFailure("denied", rejection(end.deciding[0]))
    if end.kind == "timed_out":
        return _timed_out(waiting, end, step)
    by = [decision.by for decision in end.deciding]
    comment = "\n".join(decision.comment for decision in end.deciding if decision.comment)
    return Answer({"decision": "approve", "by": by, "comment": comment} | given_by(end.deciding))


def _asked_for(step: Step) -> dict[str, Any]:
    """The schemas of what people give: all outputs that are not the step's own."""
    return {name: schema for name, schema in step.node.outputs.items() if name not in OUTPUTS}


def _nobodys(step: Step, why: str, given: Mapping[str, Any] = {}) -> dict[str, Any]:
    """What was given without enough approvals; fails when something is missing then."""
    for name in _asked_for(step):
        if name not in given:
            raise StepFailure("error", f"{why}, so nobody gave the output `{name}`")
    return dict(given)


def _must_ask(arguments: ReviewArguments) -> bool:
    match arguments.verdict:
        case "allow" | "audit":
            return False
        case "require_review" | UnsetType():
            return True
        case "deny":
            raise StepFailure("denied", "the verdict is deny, and no review can change that")
        case other:
            raise StepFailure("error", f"`{other}` is not a verdict: allow, audit, require_review or deny")


def _waiting(arguments: ReviewArguments, step: Step) -> Waiting:
    """What people are asked. The due date is set when they are first asked and stays, however often the step runs."""
    due: datetime | None = None
    if step.asked is not None and step.asked.title == arguments.title:
        due = step.asked.due
    elif arguments.due is not UNSET:
        due = _later(step.now(), arguments.due)
    reviewers = arguments.reviewers
    return Waiting(
        title=arguments.title,
        users=reviewers.users,
        groups=reviewers.groups,
        count=reviewers.count,
        not_submitter=reviewers.not_submitter,
        show=msgspec.to_builtins(arguments.show),
        outputs=_asked_for(step),
        types=step.plan.types if "$ref" in repr(_asked_for(step)) else {},
        due=due,
        on_timeout=arguments.on_timeout,
    )


def _later(now: datetime, duration: str) -> datetime:
    try:
        return now + timedelta(milliseconds=duration_ms(duration))
    except ValueError:  # a text worked out in the run
        raise StepFailure("error", f"`due: {duration!a}` is not a duration like `24h`") from None


def _check_possible(waiting: Waiting, submitter: Submitter) -> None:
    """A question that nobody can answer must not wait for ever."""
    if not waiting.users or waiting.groups:
        return
    able: dict[str, str] = {}
    for user in waiting.users:
        able.setdefault(person(user), user)
    if waiting.not_submitter:
        able = {key: user for key, user in able.items() if not submitter.may_be(user)}
    if len(able) < waiting.count:
        who = (
            f"only {', '.join(able.values())} may give one"
            if able
            else f"nobody may give one, since {submitter.name} started the run"
        )
        raise StepFailure(
            "error",
            f"it can never be approved: it needs {waiting.count} approval{'s' * (waiting.count > 1)}, and {who}",
        )


def _timed_out(waiting: Waiting, end: Outcome, step: Step) -> Answer:
    passed = (
        f"{len(end.deciding)} of {waiting.count} approvals when the time was up ({waiting.due:%Y-%m-%d %H:%M:%S %Z})"
    )
    if waiting.on_timeout == "reject":
        raise StepFailure("denied", f"rejected: {passed}")
    comment = f"approved by `onTimeout`: {passed}"
    given = _nobodys(step, "nobody decided in time", given_by(end.deciding))
    return Answer({"decision": "approve", "by": [decision.by for decision in end.deciding], "comment": comment} | given)


def _line(decision: Decision, waiting: Waiting, submitter: Submitter) -> str:
    word = "approve" if decision.approve else "reject"
    against = objection(waiting, decision, submitter)
    return f"{decision.at:%Y-%m-%d %H:%M:%S %Z} {decision.by}: {word}" + (
        f" (does not count: {against})" if against else ""
    )
