"""What people are asked in a run and those inside it, and whether any of it has been decided."""

from __future__ import annotations

from somagent.operators.deciding import outcome
from somagent.operators.runner.records import Attempt, StepKey, Waiting
from somagent.workflows.engines.objects.ledger import ObjectLedger

Asked = tuple[StepKey, Waiting]  # what people are asked in a step


async def questions(ledger: ObjectLedger, run_id: str) -> list[Asked]:
    """Of those inside, the questions themselves."""
    found: list[Asked] = []
    for attempt in await _unfinished(ledger, run_id):
        if attempt.waiting is not None and attempt.waiting.child:
            found += await questions(ledger, attempt.waiting.child)
        elif attempt.waiting is not None:
            found.append((attempt.key, attempt.waiting))
    return found


async def answered(ledger: ObjectLedger, run_id: str) -> bool:
    """Whether a step in it has asked, and need not wait any more."""
    asked = [one for one in await _unfinished(ledger, run_id) if one.waiting is not None]
    return not all([await is_open(ledger, one) for one in asked])


async def is_open(ledger: ObjectLedger, attempt: Attempt) -> bool:
    """Whether it still waits: nobody has decided, nor has the time passed, there or anywhere inside."""
    if attempt.waiting is None:
        return False
    if attempt.waiting.child:
        inside = await _unfinished(ledger, attempt.waiting.child)
        return bool(inside) and all([await is_open(ledger, one) for one in inside])
    decisions = await ledger.decisions(attempt.key)
    submitter = (await ledger.deeds.run(attempt.key.run)).started_by
    return outcome(attempt.waiting, decisions, submitter=submitter, now=ledger.now()) is None


async def _unfinished(ledger: ObjectLedger, run_id: str) -> list[Attempt]:
    """The last attempt of every step and item that has been tried and has no result.

    A capsule's step that was given up has one, and its run may still be open for whom `finally` asks there.
    """
    keys, plan = await ledger.attempts_of.keys(run_id), await ledger.plan(run_id)
    found: list[Attempt] = []
    for key, (ends, begun) in zip(keys, await ledger.attempts_of.of(keys), strict=True):
        last = begun.attempt if begun is not None else ends[-1].attempt if ends else None
        if not ends or ends[-1].result is None:
            found += [last] if last is not None else []
        elif plan.node(key.step).capsule:
            runs = await ledger.runs_of(key)
            if runs and await ledger.closed(runs[-1].id) is None:
                found += await _unfinished(ledger, runs[-1].id)
    return found
