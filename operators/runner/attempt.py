"""The inside of one attempt: from values to outputs. How it ends is written down by `run_step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts, Budget, Node, Plan
from somagent.governance.verdict import Verdict
from somagent.operators.deciding import question_of
from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.artifacts import held_artifacts
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.border import checked_amounts
from somagent.operators.runner.expressions import ReadyTemplate, brief
from somagent.operators.runner.folders import has_room, remove_tree
from somagent.operators.runner.governing import ask
from somagent.operators.runner.guards import check_requirement, fan_out_items
from somagent.operators.runner.ledger import BudgetExceeded, Ledger
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.operating import NoRoom, described, is_ctrl_c, operate
from somagent.operators.runner.ready import ReadyNode
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, RunRecord, StepKey, Waiting
from somagent.operators.runner.threads import in_thread
from somagent.operators.runner.values import digest_of_value

_NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class Work:
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


@dataclass(slots=True)
class Course:
    """What has come of an attempt so far; it is recorded however the attempt ends."""

    verdict: Verdict | None = None
    input_digest: str = ""
    reserved: bool = False


async def perform(work: Work, course: Course) -> Answer | Waiting:
    """The step's answer, its outputs checked, or what people are asked; raises `StepFailure`."""
    node, key = work.node.node, work.attempt.key
    more: dict[str, Any] = {}
    if node.fan_out is None:
        await check_requirement(work.node, work.scope)
    else:
        items = await fan_out_items(work.node, work.scope, work.run, work.ledger.contents.remembered)
        more[node.fan_out.name] = items[key.item]
    rendered = await _arguments(work.node.arguments, work.scope, more)
    arguments = msgspec.to_builtins(rendered)
    course.input_digest = _digest(arguments)
    operator = work.operators.get(node.operator)
    if operator is None:
        raise StepFailure("error", f"operator `{node.operator}` is not installed here")
    decoded = _decode(rendered, operator)
    decisions = tuple(await work.ledger.decisions(key))
    consent = ask(plan=work.plan, node=node, run=work.run, arguments=arguments, decisions=decisions, now=work.now())
    course.verdict = consent.verdict
    if consent.fault:
        raise StepFailure("error", consent.fault)
    if consent.denial:
        raise StepFailure("denied", consent.denial)
    if consent.waiting is not None:
        return consent.waiting
    await _reserve(work, _estimate(operator, decoded), course)
    end = await _run(work, operator, decoded, *_own(work.attempt.asked, decisions))
    if isinstance(end, Park):
        course.verdict = end.verdict or course.verdict
        return replace(end.waiting, constitution=False)
    if end.outputs or node.outputs:
        try:
            work.node.output_check(end.outputs)
        except StepFailure as fault:  # what was spent was spent, whatever came of it
            raise StepFailure(fault.failure_class, fault.message, spent=end.spent, verdict=end.verdict) from None
    return end


def _own(asked: Waiting | None, decisions: Sequence[Decision]) -> tuple[tuple[Decision, ...], Waiting | None]:
    """What the operator is told: the decisions on its own last question, and that question."""
    if asked is None or asked.constitution:
        return (), None
    question = question_of(asked)
    return tuple(decision for decision in decisions if decision.question == question), asked


async def _arguments(template: ReadyTemplate, scope: Scope, more: Mapping[str, Any]) -> Any:
    return template.render(await scope.bindings(template.reads, **more))


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


def _budgets(work: Work) -> list[tuple[str, Budget]]:
    """Every budget that the step spends from; each item of a fan-out step has the step's budget for itself."""
    step, item = work.attempt.key.step, work.attempt.key.item
    own = step if item == NO_ITEM else f"{step}/{item}"
    named = (("run", work.plan.budget), (own, work.node.node.budget))
    return [(name, budget) for name, budget in named if budget is not None]


async def _reserve(work: Work, amounts: Amounts, course: Course) -> None:
    budgets = _budgets(work)
    if not budgets or amounts == _NOTHING:
        return
    try:
        await work.ledger.reserve(work.attempt.key, amounts, budgets)
    except BudgetExceeded as fault:
        raise StepFailure("budget", str(fault)) from None
    course.reserved = True


async def account(work: Work, spent: Amounts, course: Course) -> None:
    """Opens an account for what was spent without being reserved; it is settled with the end of the attempt."""
    budgets = _budgets(work)
    if budgets and spent != _NOTHING and not course.reserved:
        await work.ledger.reserve(work.attempt.key, _NOTHING, budgets)


async def _run(
    work: Work, operator: Operator, arguments: Any, decisions: tuple[Decision, ...], asked: Waiting | None
) -> Answer | Park:
    """Runs the operator in a folder of its own until the deadline."""
    limit = timeout_of(work.node.node)
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
        deadline=work.now() + limit,
        decisions=decisions,
        asked=asked,
        now=work.now,
    )
    try:
        return await operate(operator, arguments, step, limit)
    except NoRoom as refused:
        await _clear(folder)
        if not has_room(work.workspace):
            raise refused.fault from None
        where = f" for `{refused.fault.filename}`" if refused.fault.filename else ""
        raise StepFailure(
            "error", f"it filled the disk: {refused.fault.strerror}{where}; there is room again without its own files"
        ) from None
    finally:
        await _clear(folder)
        log.close()


def timeout_of(node: Node) -> timedelta:
    """How long an attempt may take: the step's timeout, or its budget of wall clock time if that is shorter."""
    limit = node.timeout_ms
    if node.budget is not None and node.budget.wall_clock_ms is not None:
        limit = min(limit, node.budget.wall_clock_ms)
    return timedelta(milliseconds=limit)


def _folder_name(key: StepKey, number: int) -> str:
    item = "" if key.item == NO_ITEM else f".{key.item}"
    return f"{key.run}.{key.step}{item}.{number}"


async def _clear(folder: Path) -> None:
    if folder.exists():  # noqa: ASYNC240 - most operators need none
        await in_thread(remove_tree, folder)
