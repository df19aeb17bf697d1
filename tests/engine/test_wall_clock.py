"""A run's budget of wall clock time: counted while somebody works on it, and then it stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from somagent.capsule_compiler.plan import Budget
from somagent.operators.runner.records import Attempt, StepKey
from somagent.workflows.engines.rules import wall_clock_left

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def attempt(step: str, start_s: float, end_s: float | None) -> Attempt:
    """An attempt from so many seconds after the start until so many."""
    ended = None if end_s is None else START + timedelta(seconds=end_s)
    return Attempt(key=StepKey("r", step), number=1, started_at=START + timedelta(seconds=start_s), ended_at=ended)


def test_a_run_stops_when_its_time_is_used_up_and_its_finals_still_run(
    run_plan, make_plan, make_node, phases, tmp_path
):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 60, "fail": []})
    plan = make_plan(
        make_node("quick"),
        slow,
        make_node("after", "slow"),
        finals=[make_node("tell")],
        budget=Budget(wall_clock_ms=300),
    )
    view = run_plan(plan)
    assert phases(view) == {"quick": "Succeeded", "slow": "Failed", "after": "Omitted", "tell": "Succeeded"}
    assert view.phase == "Failed"
    assert view.steps[1].failure.failure_class == "budget"
    assert view.failure.message == "step `slow`: the run's budget of wallClock 300ms is used up"


def test_a_run_that_only_waits_uses_nothing_up(run_plan, make_plan, make_node):
    view = run_plan(make_plan(make_node("gate", operator="ask", gate=True), budget=Budget(wall_clock_ms=60_000)))
    assert view.phase == "Waiting"
    history = view.steps[0].history
    left_now = wall_clock_left(view.plan, history, history[-1].ended_at)
    assert left_now > timedelta(seconds=59)
    assert wall_clock_left(view.plan, history, history[-1].ended_at + timedelta(days=30)) == left_now


def test_time_is_counted_once_however_many_attempts_are_at_work(make_plan, make_node):
    plan = make_plan(make_node("a"), budget=Budget(wall_clock_ms=60_000))
    together = [attempt("a", 0, 10), attempt("b", 5, 15), attempt("c", 6, 8)]
    assert wall_clock_left(plan, together, START + timedelta(hours=5)) == timedelta(seconds=45)
    later = [*together, attempt("d", 7200, 7210)]
    assert wall_clock_left(plan, later, START + timedelta(hours=5)) == timedelta(seconds=35)
    assert wall_clock_left(plan, [attempt("a", 0, None)], START + timedelta(minutes=5)) == timedelta()


def test_without_such_a_budget_nothing_is_counted(make_plan, make_node):
    assert wall_clock_left(make_plan(make_node("a")), [attempt("a", 0, 10)], START) is None
    assert wall_clock_left(make_plan(make_node("a"), budget=Budget(tokens=3)), [], START) is None
