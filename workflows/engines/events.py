"""What onlookers are told, made from what was written down: the same by whoever works and by who reads it later."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from somagent.operators.runner.records import Attempt, Decision, StepKey, StepResult
from somagent.workflows.engines.protocol import Event


def begun(attempt: Attempt) -> Event:
    """An attempt is at work."""
    return Event(at=attempt.started_at, key=attempt.key, kind="attempt", phase="Running", attempt=attempt.number)


def left(attempt: Attempt) -> Event:
    """An attempt ended without a result: it asks people, or another one follows."""
    at, number = attempt.ended_at or attempt.started_at, attempt.number
    if attempt.waiting is not None:
        title = attempt.waiting.title
        return Event(at=at, key=attempt.key, kind="waiting", phase="Waiting", attempt=number, message=title)
    why = attempt.failure.message if attempt.failure else ""
    again = Event(at=at, key=attempt.key, kind="retry", phase="Pending", attempt=number, message=why)
    return replace(again, retry_at=attempt.retry_at)


def recorded(result: StepResult, attempt: int) -> Event:
    """A step or an item has ended."""
    return Event(
        at=result.ended_at,
        key=result.key,
        kind="result",
        phase=result.phase,
        attempt=attempt,
        message=result.failure.message if result.failure else "",
        result=result,
    )


def opened(run: str, step: str, items: int, at: datetime) -> Event:
    """A fan-out knows its items."""
    return Event(at=at, key=StepKey(run, step), kind="opened", phase="Running", items=items)


def decided(run: str, decision: Decision) -> Event:
    """Somebody decided."""
    key = StepKey(run, decision.step, decision.item)
    message = f"{'approved' if decision.approve else 'rejected'} by {decision.by}"
    return Event(at=decision.at, key=key, kind="decision", phase="Waiting", message=message)
