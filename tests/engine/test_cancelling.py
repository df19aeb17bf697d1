# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""Stopping a run: by command it ends and is cleaned up after, by a signal it can be gone on with."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time

import pytest

from somagent.capsule_compiler.plan import FanOut, Retry, Template, encode_plan
from somagent.workflows.engines.protocol import EngineError


@pytest.fixture
def note(make_node, tmp_path):
    def make(step, *needs, seconds=0.0, fail=(), **fields):
        arguments = {"file": str(tmp_path / "marks"), "seconds": seconds, "fail": list(fail)}
        return make_node(step, *needs, operator="note", arguments=arguments, **fields)

    return make


async def until(true) -> None:
    while not true():  # noqa: ASYNC110 -- the truth is in a file
        await asyncio.sleep(0.02)


def test_a_cancelled_run_cuts_off_its_steps_and_runs_its_finals(make_engine, go, make_plan, note, phases):
    plan = make_plan(note("slow", seconds=60), note("done"), note("after", "slow"), finals=[note("tell")])

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            await until(lambda: engine.view(run).steps[1].phase == "Succeeded")
            await engine.cancel(run, by="bob")
            return await work

    view = go(main())
    assert view.phase == "Cancelled"
    assert phases(view) == {"slow": "Cancelled", "done": "Succeeded", "after": "Omitted", "tell": "Succeeded"}
    assert view.steps[0].failure.message == "cancelled by bob"
    assert view.failure.message == "step `slow`: cancelled by bob"
    assert [(a.phase, a.failure.failure_class) for a in view.steps[0].history] == [("Cancelled", "cancelled")]


def test_a_cancellation_by_another_process_is_noticed(make_engine, go, make_plan, note):
    async def main():
        async with make_engine() as working, make_engine() as other:
            run = await working.submit(make_plan(note("slow", seconds=60)), {}, submitter="ada", files={})
            work = asyncio.create_task(working.run(run))
            await until(lambda: other.view(run).steps[0].phase == "Running")
            began = time.monotonic()
            await other.cancel(run, by="bob")
            return await work, time.monotonic() - began

    view, took = go(main())
    assert view.phase == "Cancelled"
    assert took < 2


def test_a_parked_run_that_is_cancelled_ends_when_it_is_run(
    run_plan, make_engine, go, make_plan, make_node, note, phases
):
    gate = make_node("gate", operator="ask", gate=True)
    run = run_plan(make_plan(gate, note("after", "gate"), finals=[note("tell")])).run.id

    async def main():
        async with make_engine() as engine:
            await engine.cancel(run, by="bob")
            return await engine.run(run)

    view = go(main())
    assert phases(view) == {"gate": "Cancelled", "after": "Omitted", "tell": "Succeeded"}
    assert view.phase == "Cancelled"
    assert view.steps[0].attempts == 1


@pytest.mark.parametrize("parallel", [3, 9])
def test_items_retries_and_steps_in_the_queue_are_cancelled_too(make_engine, go, make_plan, note, parallel):
    fan = FanOut(items=Template(value=list(range(50))), name="n", item_schema={"type": "integer"}, max_parallel=2)
    retry = Retry(attempts=2, backoff_ms=60_000, failures=["transient"])
    plan = make_plan(
        note("flaky", fail=["transient"], retry=retry),
        note("many", seconds=60, fan_out=fan),
        *(note(f"q{n}", seconds=60) for n in range(5)),
    )

    def works(view):
        flat = [one for step in view.steps for one in (step.items or [step])]
        return bool(view.steps[0].retry_at) and sum(one.phase == "Running" for one in flat) == min(parallel, 7)

    async def main():
        async with make_engine(parallel=parallel) as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            await until(lambda: works(engine.view(run)))
            await engine.cancel(run, by="bob")
            return await work

    view = go(main())
    assert {step.phase for step in view.steps} == {"Cancelled"}
    assert [item.phase for item in view.steps[1].items] == ["Cancelled"] * 50
    assert sum(step.attempts for step in view.steps) == 1 + min(parallel, 7)


def test_a_run_that_has_ended_cannot_be_cancelled(run_plan, make_engine, go, make_plan, make_node):
    run = run_plan(make_plan(make_node("a"))).run.id

    async def main():
        async with make_engine() as engine:
            with pytest.raises(EngineError, match="cannot be cancelled, it has ended: Succeeded"):
                await engine.cancel(run, by="bob")

    go(main())


def test_a_run_whose_task_is_cancelled_can_be_gone_on_with(make_engine, go, make_plan, note, phases, tmp_path):
    async def main():
        async with make_engine() as engine:
            run = await engine.submit(
                make_plan(note("done"), note("slow", "done", seconds=0.6)), {}, submitter="ada", files={}
            )
            work = asyncio.create_task(engine.run(run))
            marks = tmp_path / "marks"
            await until(lambda: marks.exists() and "began slow 1" in marks.read_text())
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            stopped = engine.view(run)
            return stopped, await engine.run(run)

    stopped, view = go(main())
    assert stopped.phase == "Pending"
    assert phases(stopped) == {"done": "Succeeded", "slow": "Pending"}
    assert stopped.steps[1].history[0].failure.failure_class == "cut_off"
    assert phases(view) == {"done": "Succeeded", "slow": "Succeeded"}
    assert (tmp_path / "marks").read_text().split("\n")[:-1] == [
        "began done 1", "ended done 1", "began slow 1", "began slow 2", "ended slow 2",
    ]  # fmt: skip


def test_a_run_that_is_stopped_in_the_moment_of_its_end_has_ended(make_engine, go, make_plan, make_node):
    async def main():
        loop, work = asyncio.get_running_loop(), None

        def stop_at_its_end(moment):
            if moment == "close.committed":
                loop.call_soon_threadsafe(work.cancel)  # before the engine is told

        async with make_engine(crash=stop_at_its_end) as engine:
            run = await engine.submit(make_plan(make_node("a")), {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            await asyncio.gather(work, return_exceptions=True)
            assert work.cancelled()
            return engine.view(run)

    view = go(main())
    assert (view.phase, view.ended_at is None) == ("Succeeded", False)


def alive(pid: int) -> bool:
    """Whether the process is there and not only waits for its parent to take notice of its end."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_ctrl_c_ends_the_process_its_scripts_and_their_children(make_plan, make_node, tmp_path, make_engine, start):
    """A real SIGINT; the script ignores TERM and has a child of its own."""
    pids = tmp_path / "pids"
    run_text = f"trap '' TERM; (sleep 300) & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    script = make_node("slow", "done", operator="script", arguments={"run": run_text})
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(make_node("done"), script)))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    while not pids.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    children = [int(pid) for pid in pids.read_text().split()]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    assert [pid for pid in children if alive(pid)] == []
    view = make_engine().view(out.split()[0])
    assert view.phase == "Pending"
    assert {step.id: step.phase for step in view.steps} == {"done": "Succeeded", "slow": "Pending"}


def test_a_script_that_outlived_its_killed_engine_is_ended_before_it_runs_again(
    make_plan, make_node, tmp_path, start, program
):
    """SIGKILL leaves the script writing into its folder; the next attempt must be the only one at work."""
    pid = tmp_path / "pid"
    text = (
        f"test -e {pid} && exit 0; echo $$ > {pid}.new; mv {pid}.new {pid}; n=0; while :; do echo x > f$((n+=1)); done"
    )
    plan = make_plan(make_node("loop", operator="script", arguments={"run": text}))
    (tmp_path / "plan.json").write_bytes(encode_plan(plan))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    run = process.stdout.readline().strip()
    while not pid.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    orphan = int(pid.read_text())
    assert alive(orphan)
    resumed = program("work", tmp_path / "data", tmp_path / "plan.json", "--run", run)
    assert (resumed.returncode, resumed.stdout.split(), resumed.stderr) == (0, [run, "Succeeded"], "")
    assert not alive(orphan)
