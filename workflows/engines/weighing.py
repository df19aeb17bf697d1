"""Whether a decision may be written down now; every engine asks this in the transaction, or the claim, that writes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from somagent.operators.answers import answer_fault
from somagent.operators.deciding import Outcome, approvals_of, objection, outcome, question_of, time_is_up
from somagent.operators.names import person
from somagent.operators.runner.records import Attempt, Decision, Phase, RunRecord
from somagent.operators.submitter import Submitter
from somagent.workflows.engines.protocol import DecisionRefused
from somagent.workflows.engines.run_names import top_of


def weighed(
    decision: Decision,
    *,
    run: RunRecord,
    ended: Phase | None,
    last: Attempt | None,
    earlier: Sequence[Decision],
    cancelled_by: str,
    show: str,
) -> Decision:
    """The decision as it is to be written down; raises `DecisionRefused`.

    `ended` is the phase of the step when it has a result, `last` its last attempt, `earlier` what was decided on it,
    `cancelled_by` who stopped the run at the top unless the step is a part of `finally`, and `show` how people look at
    the run.
    """
    if ended is not None:
        late = _late(last, earlier, run.started_by)
        raise DecisionRefused(f"step `{decision.step}` does not wait any more: it is {ended}{late}")
    # A step that is looking at an earlier decision at this moment may park again, so it still asks.
    waiting = (last.waiting or (last.asked if last.ended_at is None else None)) if last else None
    if waiting is None:
        raise DecisionRefused(f"step `{decision.step}` does not wait for a decision ({show})")
    if waiting.child:
        raise DecisionRefused(f"step `{decision.step}` waits for a step inside its capsule: {waiting.title}")
    decision = replace(decision, question=decision.question or question_of(waiting))
    # Each counts after those before it, also when the clock of this process is behind.
    decision = replace(decision, at=max([decision.at, *(one.at for one in earlier)]))
    end = outcome(waiting, earlier, submitter=run.started_by, now=decision.at)
    why = _closed(run.id, decision.step, end, cancelled_by) or objection(waiting, decision, run.started_by)
    why = why or answer_fault(waiting, decision, approvals_of(waiting, earlier, run.started_by))
    if why:
        raise DecisionRefused(why)
    who = person(decision.by)
    if any(one.question == decision.question and person(one.by) == who for one in earlier):
        raise decided_already(decision)
    return decision


def decided_already(decision: Decision) -> DecisionRefused:
    """Why a second decision of one person on one question is refused."""
    return DecisionRefused(f"{decision.by} has decided on step `{decision.step}` already; it takes another person")


def _late(last: Attempt | None, earlier: Sequence[Decision], submitter: Submitter) -> str:
    """That a step which has ended did so since nobody decided in time; empty when that is not why."""
    if last is None or last.asked is None or last.ended_at is None or last.asked.child:
        return ""
    end = outcome(last.asked, earlier, submitter=submitter, now=last.ended_at)
    return f"; {time_is_up(last.asked)}" if end is not None and end.kind == "timed_out" else ""


def _closed(run_id: str, step: str, end: Outcome | None, cancelled_by: str) -> str:
    """Why nobody can decide any more although nobody has gone on with the run yet; empty when somebody can."""
    if cancelled_by:
        return f"{top_of(run_id)} was cancelled by {cancelled_by}"
    if end is None or end.kind == "timed_out":  # which the objection says with the time
        return ""
    by = ", ".join(one.by for one in end.deciding)
    return f"step `{step}` is decided: {end.kind} by {by}; what comes after that is not written down"
