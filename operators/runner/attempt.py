"""The inside of one attempt: from values to outputs. How it ends is written down by `run_step`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Plan
from somagent.governance.verdict import Verdict
from somagent.operators.deciding import question_of
from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.artifacts import held_artifacts
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.border import checked_amounts
from somagent.operators.runner.budgeting import FREE, NOTHING, Ask, Leave, accounts_of, counts_time, leave_to_spend
from somagent.operators.runner.expressions import ReadyTemplate, brief
from somagent.operators.runner.folders import has_room, remove_tree
from somagent.operators.runner.governing import ask
from somagent.operators.runner.guards import check_requirement, fan_out_items
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.operating import NoRoom, described, is_ctrl_c, operate
from somagent.operators.runner.ready import ReadyNode
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, RunRecord, StepKey, Waiting
from somagent.operators.runner.secrets import Vault, granted_secrets
from somagent.operators.runner.threads import in_thread
from somagent.operators.runner.values import digest_of_value


class Work(Struct, frozen=True):
    """One attempt and everything it needs."""

    attempt: Attempt
    node: ReadyNode
    plan: Plan
    run: RunRecord
    scope: Scope
    ledger: Ledger
    operators: Mapping[str, Operator]
    workspace: Path
    log: Callable[[StepKey, int], StepLog]
    now: Callable[[], datetime]


class Course(Struct):
    """What has come of an attempt so far; it is recorded however the attempt ends."""

    verdict: Verdict | None = None
    input_digest: str = ""
    reserved: bool = False
    warnings: list[str] = field(default_factory=list)


async def perform(work: Work, course: Course) -> Answer | Waiting:
    """The step's answer, its outputs checked, or what people are asked; raises `StepFailure`."""
    node, key = work.node.node, work.attempt.key
    more: dict[str, Any] = {}
    if node.fan_out is None:
        await check_requirement(work.node, work.scope)
    else:
        items = await fan_out_items(work.node, work.scope, work.run, work.ledger.contents.remembered)
        more[node.fan_out.index] = key.item
        more[node.fan_out.name] = items[key.item]
    rendered = await _arguments(work.node.arguments, work.scope, more)
    arguments = msgspec.to_builtins(rendered)
    course.input_digest = _digest(arguments)
    operator = work.operators.get(node.operator)
    if operator is None:
        raise StepFailure("error", f"operator `{node.operator}` is not installed here")
    decoded = _decode(rendered, operator)
    # Nobody can have decided what no attempt has asked.
    decisions = tuple(await work.ledger.decisions(key)) if work.attempt.number > 1 else ()
    consent = ask(plan=work.plan, node=node, run=work.run, arguments=arguments, decisions=decisions, now=work.now())
    course.verdict = consent.verdict
    if consent.fault:
        raise StepFailure("error", consent.fault)
    if consent.denial:
        raise StepFailure("denied", consent.denial)
    if consent.waiting is not None:
        return consent.waiting
    leave = await _leave(work, _estimate(operator, decoded), decisions, course)
    if isinstance(leave, Waiting):
        return leave
    end = await _run(work, operator, decoded, leave, _own(work.attempt.asked, decisions))
    if isinstance(end, Park):
        course.verdict = end.verdict or course.verdict
        return replace(end.waiting, constitution=False, budgets=[])
    if end.outputs or node.outputs:
        try:
            work.node.output_check(end.outputs)
        except StepFailure as fault:  # what was spent was spent, whatever came of it
            raise StepFailure(fault.failure_class, fault.message, spent=end.spent, verdict=end.verdict) from None
    return end


def _own(asked: Waiting | None, decisions: Sequence[Decision]) -> tuple[tuple[Decision, ...], Waiting | None]:
    """What the operator is told: the decisions on its own last question, and that question."""
    if asked is None or asked.constitution or asked.budgets:
        return (), None
    question = question_of(asked)
    return tuple(decision for decision in decisions if decision.question == question), asked


async def _arguments(template: ReadyTemplate, scope: Scope, more: Mapping[str, Any]) -> Any:
    return template.render(await scope.bindings(template.reads, **more) if template.has_holes else {})


def _digest(arguments: Any) -> str:
    try:
        return digest_of_value(arguments)
    except Exception as fault:  # a number or a text that JSON has not
        raise StepFailure("error", f"the arguments cannot be written as JSON: {described(fault)}") from None


def _estimate(operator: Operator, arguments: Any) -> Amounts:
    name = operator.entry.name
    try:
        estimate = operator.estimate(arguments)
    except BaseException as fault:
        if is_ctrl_c(fault):
            raise
        raise StepFailure("error", f"the estimate of operator `{name}` failed with {described(fault)}") from None
    return checked_amounts(estimate, f"the estimate of operator `{name}` is")


def _decode(arguments: Any, operator: Operator) -> Any:
    try:
        decoded = msgspec.convert(arguments, operator.arguments)
    except msgspec.ValidationError as fault:
        reason, _, place = str(fault).partition(" - at `$")
        where = f"`{place.rstrip('`').lstrip('.')}`" if place else f"`{operator.entry.name}`"
        raise StepFailure("error", f"argument {where}: {reason[:1].lower()}{reason[1:]}") from None
    except BaseException as fault:  # of a foreign type's own code
        if is_ctrl_c(fault):
            raise
        name = operator.entry.name
        raise StepFailure("error", f"the arguments' type of operator `{name}` failed with {described(fault)}") from None
    made_up = held_artifacts(decoded) - held_artifacts(arguments)
    if made_up:
        names = ", ".join(sorted(brief(artifact.name) for artifact in made_up))
        raise StepFailure("error", f"an object in the form of an artifact is none ({names}): it must be an output")
    return decoded


async def _leave(work: Work, amounts: Amounts, decisions: tuple[Decision, ...], course: Course) -> Leave | Waiting:
    if amounts == NOTHING and not counts_time(work.node.node, work.plan):
        return FREE
    asked = Ask(work.attempt, work.node.node, work.plan, work.run, work.ledger, decisions, work.now(), work.node.final)
    end = await leave_to_spend(asked, amounts)
    if isinstance(end, Leave):
        course.reserved, course.warnings = end.reserved, end.warnings
    return end


async def account(work: Work, spent: Amounts, course: Course) -> None:
    """Opens an account for what was spent without being reserved; it is settled with the end of the attempt."""
    if spent != NOTHING and not course.reserved and not work.node.node.capsule:
        key, node = work.attempt.key, work.node.node
        accounts = await accounts_of(key, node, work.plan, work.run, work.ledger)
        await work.ledger.reserve(key, NOTHING, accounts)


async def _run(
    work: Work,
    operator: Operator,
    arguments: Any,
    leave: Leave,
    own: tuple[tuple[Decision, ...], Waiting | None],
) -> Answer | Park:
    """Runs the operator in a folder of its own until the deadline: its timeout, or its budget of time if it is less."""
    timeout = timedelta(milliseconds=work.node.node.timeout_ms)
    limit = timeout if leave.left is None else min(timeout, leave.left)
    key = work.attempt.key
    folder = work.workspace / _folder_name(key, work.attempt.number)
    remove_tree(folder)  # left by a process that died
    log = work.log(key, work.attempt.number)
    step = Step(
        run=work.run,
        plan=work.plan,
        node=work.node.node,
        key=key,
        attempt=work.attempt.number,
        folder=folder,
        log=log,
        contents=work.ledger.contents,
        time_s=limit.total_seconds(),
        decisions=own[0],
        asked=own[1],
        now=work.now,
        vault=Vault(granted_secrets(work.node.node, work.plan, work.run)),
    )
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        for warning in leave.warnings:
            log.line(f"[somagent] {warning}")
        # a capsule ends by itself, with its `finally` steps, when its time is over
        return await operate(operator, arguments, step, None if work.node.node.capsule else limit)
    except StepFailure as fault:
        over = not work.node.node.capsule or clock() - began >= step.time_s
        if fault.failure_class == "timeout" and limit < timeout and over:
            message = f"{leave.limit}: {fault.message}" if fault.child else leave.limit
            raise StepFailure("budget", message, spent=fault.spent, verdict=fault.verdict, child=fault.child) from None
        raise
    except NoRoom as refused:
        await _clear(folder)
        if not has_room(work.workspace):
            raise refused.fault from None
        where = f" for `{refused.fault.filename}`" if refused.fault.filename else ""
        what, now = "it filled the disk", "there is room again without its own files"
        if refused.fault.errno == errno.EIO:
            what, now = "the disk failed", "it works again"
        raise StepFailure("error", f"{what}: {refused.fault.strerror}{where}; {now}") from None
    finally:
        await _clear(folder)
        log.close()


def _folder_name(key: StepKey, number: int) -> str:
    item = "" if key.item == NO_ITEM else f".{key.item}"
    return f"{key.run}.{key.step}{item}.{number}"


async def _clear(folder: Path) -> None:
    """What cannot be removed is left to the next process that takes the lease: the attempt's end is what counts."""
    with contextlib.suppress(OSError):
        if folder.exists():  # noqa: ASYNC240 - most operators need none
            await in_thread(remove_tree, folder)
