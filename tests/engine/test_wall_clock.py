# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""A run's budget of wall clock time: counted while somebody works on it, and then it stops."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta

import pytest

from somagent.capsule_compiler.plan import Budget, Retry, encode_plan
from somagent.operators.runner.records import Attempt, StepKey
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.countdown import Countdown
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


def test_a_wait_before_the_next_attempt_uses_nothing_up_with_people_asked_beside_it_or_not(
    run_plan, make_plan, make_node, phases, tmp_path
):
    arguments = {"file": str(tmp_path / "marks"), "fail": ["error"]}
    retry = Retry(attempts=2, backoff_ms=700, failures=["error"])
    again = make_node("again", operator="note", arguments=arguments, retry=retry)
    limit = Budget(wall_clock_ms=350)
    alone = run_plan(make_plan(again, budget=limit))
    assert (alone.phase, alone.steps[0].attempts) == ("Succeeded", 2)
    beside = run_plan(make_plan(again, make_node("gate", operator="ask", gate=True), budget=limit))
    assert (beside.phase, phases(beside)) == ("Waiting", {"again": "Succeeded", "gate": "Waiting"})


@pytest.mark.parametrize("of", ["run", "step"])
def test_the_time_between_a_death_and_who_goes_on_uses_nothing_up(
    start, make_plan, make_node, make_engine, go, tmp_path, wait_until, of
):
    """Five hours by the clock of who goes on."""
    script = 'echo "$SOMAGENT_ATTEMPT" >> "$MARK"; [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60'
    arguments = {"run": script, "env": {"MARK": str(mark := tmp_path / "mark")}}
    limit = Budget(wall_clock_ms=60_000)
    step = make_node("a", operator="script", arguments=arguments, budget=limit if of == "step" else None)
    plan = make_plan(step, budget=limit if of == "run" else None)
    (tmp_path / "plan.json").write_bytes(encode_plan(plan))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    run = process.stdout.readline().strip()
    wait_until(mark.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()

    async def main():
        async with make_engine(clock=Clock(lambda: datetime.now(UTC) + timedelta(hours=5))) as engine:
            wait_until(lambda: engine.holder() is None)
            return await engine.run(run)

    view = go(main())
    assert (view.phase, mark.read_text()) == ("Succeeded", "1\n2\n")
    first = view.steps[0].history[0]
    assert (first.failure.failure_class, first.ended_at - first.started_at < timedelta(minutes=1)) == ("cut_off", True)


class Hours:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.at = 0.0
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self.sleepers.append((self.at + seconds, awake))
        await awake.wait()

    async def pass_by(self, seconds: float) -> None:
        self.at += seconds
        for until, awake in self.sleepers:
            if until <= self.at:
                awake.set()
        for _ in range(4):  # whoever was woken sees to it
            await asyncio.sleep(0)


def test_a_countdown_goes_on_only_while_something_is_at_work(go):
    async def main():
        time, over = Hours(), []
        clock = Clock(monotonic=lambda: time.at, sleep=time.sleep)
        countdown = Countdown(timedelta(seconds=10), clock, lambda: over.append(time.at))
        await time.pass_by(100)  # before anything begins
        countdown.begin()
        await time.pass_by(4)
        countdown.begin()  # beside the first one
        await time.pass_by(1)
        countdown.end()
        await time.pass_by(1)
        countdown.end()  # 6 are used up
        await time.pass_by(300)
        countdown.begin()
        await time.pass_by(3)
        countdown.end()  # 9
        countdown.begin()  # the next one follows at once
        assert over == []
        await time.pass_by(0.5)
        await time.pass_by(0.5)
        countdown.end()
        return over

    assert go(main()) == [410.0]


def test_a_countdown_that_nothing_is_left_of_ends_what_begins(go):
    async def main():
        over = []
        countdown = Countdown(timedelta(), Clock(), lambda: over.append(True))
        countdown.begin()
        await asyncio.sleep(0)
        countdown.end()
        countdown.close()
        return over

    assert go(main()) == [True]
