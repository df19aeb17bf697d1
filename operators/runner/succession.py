"""How the attempts at one step follow each other; the same on every engine."""

from __future__ import annotations

from datetime import datetime

from somagent.operators.runner.records import Attempt


def after(last: Attempt, at: datetime) -> Attempt:
    """The attempt that follows `last`, which has ended. It counts no failure where `last` was ended from outside."""
    failed = last.failure is not None and last.failure.failure_class not in {"cut_off", "cancelled"}
    return Attempt(
        key=last.key,
        number=last.number + 1,
        started_at=at,
        failed_before=last.failed_before + failed,
        # What people let one attempt spend is for that attempt; being cut off from outside does not use it up.
        asked=last.waiting or (None if failed and last.asked is not None and last.asked.budgets else last.asked),
        spent_before=last.spent_before.plus(last.spent),
    )
