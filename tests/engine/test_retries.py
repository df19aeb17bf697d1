"""When a failed step is tried again, and how long that takes by whichever clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import FanOut, Retry, Template
from somagent.operators.operator import Operator
from somagent.operators.script import OPERATOR as SCRIPT
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.reading import opened

RETRY = Retry(attempts=4, backoff_ms=10_000, max_backoff_ms=15_000, failures=["transient"])


@pytest.fixture
def flaky(make_node, tmp_path):
    """A step whose first attempts fail with the given classes."""

    def make(step, *fail, **fields):
        arguments = {"file": str(tmp_path / "marks"), "fail": list(fail)}
        return make_node(step, operator="note", arguments=arguments, **{"retry": RETRY, **fields})

    return make


def test_a_retry_waits_as_long_as_it_was_told(run_plan, make_plan, flaky, clock):
    view = run_plan(make_plan(flaky("a", "transient", "transient", "transient")), clock=clock)
    assert view.phase == "Succeeded"
    assert clock.slept == [10.0, 15.0, 15.0]
    assert [a.failure.failure_class if a.failure else None for a in view.steps[0].history] == ["transient"] * 3 + [None]


def test_another_class_of_failure_is_not_tried_again(run_plan, make_plan, flaky):
    view = run_plan(make_plan(flaky("a", "error")))
    assert (view.phase, view.steps[0].attempts) == ("Failed", 1)


def test_attempts_run_out(run_plan, make_plan, flaky, clock):
    view = run_plan(make_plan(flaky("a", *["transient"] * 9)), clock=clock)
    assert (view.phase, view.steps[0].attempts) == ("Failed", 4)
    assert view.failure.failure_class == "transient"


def test_an_item_that_waits_for_its_retry_takes_no_place(run_plan, make_plan, flaky, tmp_path):
    fan = FanOut(items=Template(value=[0, 1, 2]), name="n", item_schema={"type": "integer"}, max_parallel=1)
    retry = Retry(attempts=2, backoff_ms=300, failures=["transient"])
    view = run_plan(make_plan(flaky("a", "transient", fan_out=fan, retry=retry)), parallel=1)
    assert view.phase == "Succeeded"
    began = [line for line in (tmp_path / "marks").read_text().splitlines() if line.startswith("began")]
    assert began == [f"began a.{item} {attempt}" for attempt in (1, 2) for item in (0, 1, 2)]


@pytest.fixture
def cut_off_in_backoff(make_engine, go, make_plan, flaky, clock):
    """A run that was stopped while it waited ten seconds for its second attempt; gives its id."""

    async def start():
        async with make_engine(clock) as engine:
            return await engine.submit(make_plan(flaky("a", "transient")), {}, submitter="ada", files={})

    async def until_it_waits(run):
        async def never(seconds):
            clock.slept.append(seconds)
            waits.set()
            await asyncio.Event().wait()

        waits = asyncio.Event()
        real, clock.sleep = clock.sleep, never
        try:
            async with make_engine(clock) as engine:
                work = asyncio.create_task(engine.run(run))
                await waits.wait()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        finally:
            clock.sleep = real

    run = go(start())
    go(until_it_waits(run))
    assert clock.slept.pop() == 10.0
    return run


@pytest.fixture
def resume(make_engine, go, clock):
    async def main(run):
        async with make_engine(clock) as engine:
            return await engine.run(run)

    return lambda run: go(main(run))


def test_after_a_restart_only_what_is_left_of_the_wait_is_waited(cut_off_in_backoff, resume, clock):
    clock.wall += timedelta(seconds=4)
    view = resume(cut_off_in_backoff)
    assert clock.slept == [6.0]
    assert (view.phase, view.steps[0].attempts) == ("Succeeded", 2)


def test_a_wait_that_is_over_is_not_waited_again(cut_off_in_backoff, resume, clock):
    clock.wall += timedelta(hours=4)
    assert resume(cut_off_in_backoff).phase == "Succeeded"
    assert clock.slept == [0.0]


def test_a_clock_set_back_between_two_processes_prolongs_no_wait(cut_off_in_backoff, resume, clock):
    clock.set_back(timedelta(days=400))
    assert resume(cut_off_in_backoff).phase == "Succeeded"
    assert clock.slept == [10.0]


def test_a_clock_set_back_during_a_run_lets_no_step_end_before_it_started(run_plan, make_plan, flaky, clock):
    asleep = clock.sleep

    async def sleep_and_set_back(seconds):
        await asleep(seconds)
        clock.set_back(timedelta(hours=1))

    clock.sleep = sleep_and_set_back
    view = run_plan(make_plan(flaky("a", "transient", "transient")), clock=clock)
    assert view.phase == "Succeeded"
    assert clock.slept == [10.0, 15.0]
    times = [view.run.created_at, view.started_at]
    times += [at for attempt in view.steps[0].history for at in (attempt.started_at, attempt.ended_at)]
    assert times == sorted(times)
    assert view.ended_at >= times[-1]


def test_runs_are_listed_in_the_order_of_their_submission_whatever_the_clock_says(
    make_engine, go, make_plan, make_node, clock
):
    async def main():
        ids = []
        for _ in range(3):
            async with make_engine(clock) as engine:
                ids.append(await engine.submit(make_plan(make_node("a")), {}, submitter="ada", files={}))
            clock.set_back(timedelta(hours=1))
        return ids, [run.id for run in make_engine().runs()]

    submitted, listed = go(main())
    assert listed == submitted[::-1]


def test_a_retry_time_is_in_the_row(cut_off_in_backoff, make_engine, place):
    step = make_engine().view(cut_off_in_backoff).steps[0]
    assert (step.phase, step.retry_at - step.history[0].ended_at) == ("Pending", timedelta(seconds=10))
    with opened(place) as rows:
        ((record,),) = rows._ask("SELECT record FROM attempts")
    assert b'"retry_at":"2026-11-24T07:12:10Z"' in record


@pytest.mark.parametrize("fault", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_operator_that_ends_the_program_fails_its_step_and_finals_run(make_plan, make_node, go, tmp_path, fault):
    class Nothing(msgspec.Struct):
        pass

    async def run(_, __):
        raise fault

    async def main():
        entry = OperatorEntry(name="odd", summary="", arguments={})
        odd = Operator(entry, Nothing, run)
        async with LocalEngine(tmp_path / "data", {"odd": odd, "script": SCRIPT}) as engine:
            finals = [make_node("last", operator="script", arguments={"run": "true"})]
            plan = make_plan(make_node("a", operator="odd"), finals=finals)
            return await engine.run(await engine.submit(plan, {}, submitter="ada", files={}))

    view = go(main())
    assert (view.phase, [step.phase for step in view.steps]) == ("Failed", ["Failed", "Succeeded"])
