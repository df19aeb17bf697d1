"""The one sequence that every step goes through, whatever its operator and engine.

Look up the key, `if`, begin the attempt, `require`, render and decode the arguments, ask the constitution, reserve,
run with a hard deadline, check the outputs, record and settle in one. What is between the beginning and the end of an
attempt is in `attempt`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan, Retry
from somagent.operators.operator import Answer, Operator, StepFailure
from somagent.operators.runner.attempt import Course, Work, account, perform
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.guards import RequiredButFalse, is_wanted
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.log import StepLog
from somagent.operators.runner.ready import ReadyNode, ready
from somagent.operators.runner.records import NO_ITEM, Attempt, Failure, RunRecord, StepKey, StepResult, Waiting
from somagent.operators.runner.values import digest_of_value, fits, put_away

_MESSAGE_CHARACTERS = 8_000  # a message is for people; whatever an operator says, records stay small


async def run_step(
    key: StepKey,
    *,
    plan: Plan,
    run: RunRecord,
    ledger: Ledger,
    operators: Mapping[str, Operator],
    workspace: Path,
    log: Callable[[StepKey, int], StepLog],
    now: Callable[[], datetime],
) -> StepResult | Attempt:
    """Runs a step, or an item of a fan-out step, once.

    A `StepResult` has been recorded: now, or before. An `Attempt` was closed without a result: it waits for people
    (`waiting`), or may be tried again (`retry_at`). `workspace` is the folder in which attempts get folders of their
    own. Raises `AttemptHeld`, `OSError` when the disk takes no more, and `CannotGoOn`; then, and when it is cancelled,
    nothing is recorded and the attempt stays open.
    """
    prepared = ready(plan)
    node = prepared.nodes[key.step]
    scope = Scope(prepared, node, run, ledger)
    if key.item == NO_ITEM and node.guard is not None:
        recorded = await ledger.result(key)
        if recorded is not None:
            return recorded
        ended = await guarded(key, node, scope, now)
        if ended is not None:
            return await ledger.record(None, ended)
    attempt = await ledger.begin(key, now())
    if isinstance(attempt, StepResult):
        return attempt
    work = Work(attempt, node, plan, run, scope, ledger, operators, workspace, log, now)
    course = Course()
    try:
        end = await perform(work, course)
    except StepFailure as failure:
        return await _fail(work, course, failure)
    if isinstance(end, Waiting):
        parked = replace(attempt, ended_at=now(), phase="Waiting", waiting=end, verdict=course.verdict)
        await ledger.end(parked)
        return parked
    return await _succeed(work, course, end)


async def guarded(key: StepKey, node: ReadyNode, scope: Scope, now: Callable[[], datetime]) -> StepResult | None:
    """The result of a step whose `if` is false or has no value; None when the step runs."""
    try:
        if await is_wanted(node, scope):
            return None
    except StepFailure as fault:
        return StepResult(key=key, phase="Failed", ended_at=now(), failure=failure_of(fault))
    return StepResult(key=key, phase="Skipped", ended_at=now())


def retry_time(retry: Retry, failed: int, at: datetime) -> datetime:
    """When the attempt after the `failed`-th failed one may start: the wait doubles each time, up to its limit."""
    wait_ms = min(retry.backoff_ms * 2 ** min(failed - 1, 62), retry.max_backoff_ms)
    return at + timedelta(milliseconds=wait_ms)


async def _succeed(work: Work, course: Course, answer: Answer) -> StepResult:
    ended_at, outputs = work.now(), answer.outputs
    if not fits(outputs):
        contents = work.ledger.contents
        outputs = await contents.beside(put_away, outputs, contents)
    attempt = replace(
        work.attempt,
        ended_at=ended_at,
        phase="Succeeded",
        verdict=course.verdict,
        spent=answer.spent,
        warnings=course.warnings,
    )
    result = StepResult(
        key=attempt.key,
        phase="Succeeded",
        attempts=attempt.number,
        started_at=attempt.started_at,
        ended_at=ended_at,
        outputs=outputs,
        verdict=answer.verdict or course.verdict,
        spent=attempt.spent_before.plus(answer.spent),
        input_digest=course.input_digest,
        output_digest=digest_of_value(answer.outputs),
    )
    await account(work, answer.spent, course)
    return await work.ledger.record(attempt, result)


async def _fail(work: Work, course: Course, fault: StepFailure) -> StepResult | Attempt:
    ended_at = work.now()
    attempt = replace(
        work.attempt,
        ended_at=ended_at,
        phase="Failed",
        failure=failure_of(fault),
        verdict=course.verdict,
        spent=fault.spent,
        warnings=course.warnings,
    )
    await account(work, fault.spent, course)
    retry = work.node.node.retry
    failed = attempt.failed_before + 1
    settled = fault.failure_class in {"denied", "budget"} or isinstance(fault, RequiredButFalse)
    if not settled and fault.failure_class in retry.failures and failed < retry.attempts:
        attempt = replace(attempt, retry_at=retry_time(retry, failed, ended_at))
        await work.ledger.end(attempt)
        return attempt
    result = StepResult(
        key=attempt.key,
        phase="Failed",
        attempts=attempt.number,
        started_at=attempt.started_at,
        ended_at=ended_at,
        failure=attempt.failure,
        verdict=fault.verdict or course.verdict,
        spent=attempt.spent_before.plus(fault.spent),
        input_digest=course.input_digest,
    )
    return await work.ledger.record(attempt, result)


def failure_of(fault: StepFailure) -> Failure:
    """The failure as it is recorded."""
    message = fault.message
    if len(message) > _MESSAGE_CHARACTERS:
        message = f"{message[:_MESSAGE_CHARACTERS]} ... ({len(message):,} characters)"
    return Failure(failure_class=fault.failure_class, message=message, child=fault.child)
