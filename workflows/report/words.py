"""The words and numbers of the report: phases, verdicts, failures, times and durations, as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from somagent.capsule_compiler.model.quantities import Money, show_money
from somagent.governance.verdict import Effect
from somagent.operators.runner.records import FailureClass, Phase

PHASES: dict[Phase, tuple[str, str]] = {
    "Succeeded": ("ok", "it did what it had to do"),
    "Failed": ("bad", "it did not do what it had to do"),
    "Waiting": ("wait", "it waits for people to decide"),
    "Running": ("run", "it is at work"),
    "Pending": ("idle", "it has not started, or nobody is at work on it"),
    "Skipped": ("skip", "its own condition said that it was not needed"),
    "Omitted": ("omit", "it never started, because a step that it needs did not succeed"),
    "Cancelled": ("stop", "a person stopped it"),
}
"""Each phase: the name of its mark and colour, and what it means."""

EFFECTS: dict[Effect, tuple[str, str]] = {
    "allow": ("ok", "no rule has anything against it"),
    "audit": ("run", "it is allowed, and a rule wants it on record"),
    "require_review": ("wait", "people have to decide"),
    "deny": ("bad", "a rule forbids it"),
}
"""Each verdict: its colour and what it means."""

FAILURES: dict[FailureClass, str] = {
    "transient": "a passing fault; the same attempt may work later",
    "rate_limit": "a service asked to be called less often",
    "timeout": "it was not done when its time was up, and was ended",
    "invalid_output": "what it answered is not what the capsule declares",
    "error": "it ended with an error",
    "denied": "a rule or a person said no, or a secret would have got out; trying again would not change that",
    "budget": "it would have spent more than the budget allows",
    "resources": "it used more memory, file space or processes than it may, and was ended",
    "cancelled": "a person stopped it",
    "cut_off": "the process that ran it ended in the middle; this says nothing about the step",
    "omitted": "it never started",
}
"""What each class of failure means."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in any locale


def duration(length: timedelta) -> str:
    """`340 ms`, `3.2 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`; nothing is shorter than 0 ms."""
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def moment(at: datetime) -> str:
    """`24 Nov 2026, 07:12:03 UTC`."""
    at = at.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%Y, %H:%M:%S} UTC"


def clock(at: datetime) -> str:
    """`07:12:03.250`, in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def size(count: int) -> str:
    """Bytes, in units of 1024."""
    if count < 1024:
        return f"{count} bytes" if count != 1 else "1 byte"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024 or unit == "GiB":
            break
    return f"{amount:,.1f} {unit}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def money(micros: int, currency: str) -> str:
    """`1.25 USD`; what is smaller than a hundredth keeps its digits."""
    return show_money(Money(micros, currency)).strip()
