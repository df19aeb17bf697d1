"""Calling an operator: whatever it does, the attempt ends by its deadline, and in one of the ways that are recorded.

Operators of other packages run in a task of their own. One that swallows its cancellation is given up: the attempt is
recorded, and the task is left behind. One that blocks the event loop (`time.sleep`, a computation) cannot be cut off
by anybody in this process; when it comes back too late, it has failed all the same.
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.border import checked_answer, checked_failure, safe_text, said
from somagent.operators.runner.folders import NO_ROOM
from somagent.operators.runner.objects import OriginFault

GRACE_S = 5.0  # for an operator of another package, from its cancellation to its being given up
_left_behind: set[asyncio.Task[Any]] = set()


class NoRoom(Exception):
    """The disk refused what an operator wrote; `fault` is the refusal."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(str(fault))
        self.fault = fault


class CannotGoOn(Exception):
    """An engine's own effect, or the origin of contents, keeps an operator from going on: the attempt stays open.

    `fault` is what is behind it.
    """

    def __init__(self, fault: Exception) -> None:
        super().__init__(str(fault))
        self.fault = fault


async def operate(operator: Operator, arguments: Any, step: Step, limit: timedelta | None) -> Answer | Park:
    """What the operator answers within the limit, checked.

    Raises `StepFailure`, `NoRoom` and `CannotGoOn`, else only a cancellation.
    An operator's own `SystemExit`, `KeyboardInterrupt` and `CancelledError` are failures like any others.
    """
    loop = asyncio.get_running_loop()
    limit_s = None if limit is None else limit.total_seconds()
    late = None if limit_s is None else loop.time() + limit_s
    try:
        async with asyncio.timeout_at(late) as deadline:
            end = await _outcome(operator, arguments, step)
    except TimeoutError:
        if not deadline.expired():  # pragma: no cover - `_outcome` lets no other one out
            raise
        raise StepFailure("timeout", f"cut off after {limit_s:g} s") from None
    if deadline.expired() or (late is not None and loop.time() >= late):
        raise StepFailure("timeout", f"not ended after {limit_s:g} s")
    name = operator.entry.name
    if not isinstance(end, BaseException):
        return checked_answer(end, name)
    if isinstance(end, StepFailure):
        raise checked_failure(end, name) from end
    if isinstance(end, CannotGoOn):
        raise end
    if isinstance(end, OriginFault):
        raise CannotGoOn(end) from end
    if isinstance(end, OSError) and end.errno in NO_ROOM:
        raise NoRoom(end)
    if isinstance(end, TimeoutError):
        raise StepFailure("error", f"operator `{name}` ran into a time limit of its own") from None
    raise StepFailure("error", f"operator `{name}` failed with {described(end)}") from None


def described(fault: BaseException) -> str:
    """Type and text of an exception, whatever it is."""
    return safe_text(f"{type(fault).__name__}: {said(fault)}" if said(fault) else type(fault).__name__)


def is_ctrl_c(fault: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C: then the exception comes out of the handler of SIGINT."""
    if not isinstance(fault, KeyboardInterrupt):
        return False
    handler: Any = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True  # it leaves no trace
    handler = getattr(handler, "func", handler)  # asyncio's is a partial of a method
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return any(frame.f_code is code for frame, _ in traceback.walk_tb(fault.__traceback__))


async def _outcome(operator: Operator, arguments: Any, step: Step) -> object:
    """What the operator returned or raised; only our own cancellation and a real Ctrl-C are raised."""
    if operator.entry.core:
        return await _call(operator, arguments, step)
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    task = loop.create_task(_told(done, operator, arguments, step))
    try:
        await done
    except asyncio.CancelledError:
        task.cancel()
        await _grace(task, step, operator.entry.name)
        raise
    return task.result()


async def _told(done: asyncio.Future[None], operator: Operator, arguments: Any, step: Step) -> object:
    """Tells who waits as it ends; waiting for a task takes two turns of the event loop more."""
    try:
        return await _call(operator, arguments, step)
    finally:
        if not done.done():
            done.set_result(None)


async def _grace(task: asyncio.Task[Any], step: Step, name: str) -> None:
    await asyncio.wait([task], timeout=GRACE_S)
    if task.done():
        if not task.cancelled():
            task.exception()
        return
    with suppress(OSError):
        step.log.line(f"[somagent] operator `{name}` goes on although it was cancelled; it is left behind")
    # `asyncio.run` would wait for ever for a task that swallows its cancellation. Taking one out of its view is what
    # https://docs.python.org/3/library/asyncio-extending.html#task-lifetime-support offers for.
    asyncio._unregister_task(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    _left_behind.add(task)
    task.add_done_callback(_left_behind.discard)


async def _call(operator: Operator, arguments: Any, step: Step) -> object:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of asyncio runs in one
    cancelled_before = task.cancelling()
    try:
        if operator.run is None:
            raise StepFailure("error", f"`{operator.entry.name}` steps cannot be run by this version of SomaGent")
        work: Coroutine[Any, Any, object] = operator.run(arguments, step)  # type: ignore[assignment]
        return await work
    except BaseException as fault:
        if isinstance(fault, asyncio.CancelledError) and task.cancelling() > cancelled_before:
            raise
        if is_ctrl_c(fault) or isinstance(fault, GeneratorExit):
            raise
        if not isinstance(fault, StepFailure | TimeoutError | CannotGoOn | OriginFault):
            with suppress(OSError):  # the failure itself says what matters
                step.log.line(f"[somagent] operator `{operator.entry.name}` failed\n{traceback.format_exc()}")
        return fault
