# ruff: noqa: ASYNC110, PLR0917 -- what others do in a directory has no event; a test names the fixtures it uses
"""A process that stays works on whatever others submit, decide and cancel, and stops without losing anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import UTC, datetime, timedelta

import pytest
from databases import VARIABLE

from somagent.capsule_compiler.plan import FanOut, Retry, Template, plan_digest
from somagent.operators.review import OPERATOR as REVIEW
from somagent.operators.runner.records import NO_ITEM, Decision
from somagent.workflows.engines.local.worker import Worker
from somagent.workflows.engines.slots import Limits


@pytest.fixture
def serving(make_engine, place):
    """A worker at work in this very process, beside an engine that submits, decides and looks on; with what it says."""

    @contextlib.asynccontextmanager
    async def serve(**options):
        said: list[str] = []
        worker = Worker(place, make_engine, said.append, **options)
        task = asyncio.create_task(worker.serve())
        async with make_engine() as other:
            yield worker, other, said
            if not worker.is_stopping:
                worker.stop()
            await task

    return serve


async def until(engine, run, *phases):
    """Waits for a run to be in one of these phases."""
    async with asyncio.timeout(20):
        while (view := engine.view(run)).phase not in phases:
            await asyncio.sleep(0.02)
    return view


async def submitted(engine, plan):
    return await engine.submit(plan, {}, submitter="ada", files={})


def approval(step, by="bob", item=NO_ITEM):
    return Decision(step=step, item=item, by=by, approve=True, at=datetime.now(UTC))


def gate(make_node, step, *needs, **arguments):
    fields = {"arguments": {"title": "Go on?", **arguments}, "outputs": REVIEW.entry.outputs}
    return make_node(step, *needs, operator="review", gate=True, **fields)


def test_runs_of_others_are_worked_on_as_they_come(serving, make_plan, make_node, go):
    async def main():
        async with serving() as (_, other, said):
            runs = [await submitted(other, make_plan(make_node("a"), make_node("b", "a"))) for _ in range(5)]
            views = [await until(other, run, "Succeeded") for run in runs]
        return views, said

    views, said = go(main())
    assert [view.steps[1].phase for view in views] == ["Succeeded"] * 5
    assert all(f"{view.run.id} begins: hand-made, submitted by ada" in said for view in views)
    assert all(f"{view.run.id} Succeeded" in said for view in views)


def test_runs_that_were_there_before_are_gone_on_with(serving, make_engine, make_plan, make_node, go):
    async def main():
        async with make_engine() as before:
            new = await submitted(before, make_plan(make_node("a")))
            parked = await submitted(before, make_plan(gate(make_node, "ask"), make_node("a", "ask")))
            await before.run(parked)
            await before.signal(parked, approval("ask"))
        async with serving() as (_, other, _):
            return [(await until(other, run, "Succeeded")).phase for run in (new, parked)]

    assert go(main()) == ["Succeeded", "Succeeded"]


def test_the_oldest_run_is_taken_first_whatever_its_id(place, make_engine, make_plan, make_node, go):
    """Also among those that go on because people decided, or stopped them."""
    said: list[str] = []
    tokens = iter("fedcba")  # ids of one minute differ in this only

    async def main():
        async with make_engine(token=lambda: next(tokens)) as other:
            gated = make_plan(gate(make_node, "ask"))
            decided, cancelled = [await submitted(other, gated) for _ in range(2)]
            for run in (decided, cancelled):
                await other.run(run)
            new = [await submitted(other, make_plan(make_node("a"))) for _ in range(4)]
            await other.cancel(cancelled, by="dan")
            await other.signal(decided, approval("ask"))
            other.close()
            worker = Worker(place, lambda: make_engine(limits=Limits(runs={"hand-made": 1})), said.append)
            task = asyncio.create_task(worker.serve())
            for run in (decided, cancelled, *new):
                await until(other, run, "Succeeded", "Cancelled")
            worker.stop()
            await task
            return [decided, cancelled, *new]

    runs = go(main())
    begun = [line.split()[0] for line in said if " begins: " in line or " goes on: " in line]
    assert begun == runs
    assert begun != sorted(begun)


def test_a_parked_run_goes_on_when_people_decide_or_cancel_and_not_before(serving, make_plan, make_node, go):
    plan = make_plan(gate(make_node, "ask", reviewers={"count": 2}), make_node("a", "ask"))

    async def main():
        async with serving() as (_, other, said):
            decided, cancelled = await submitted(other, plan), await submitted(other, plan)
            for run in (decided, cancelled):
                await until(other, run, "Waiting")
            await other.signal(decided, approval("ask", "bob"))
            await asyncio.sleep(0.5)
            once = [line for line in said if line.startswith(decided)]
            await other.signal(decided, approval("ask", "cy"))
            await other.cancel(cancelled, by="dan")
            views = await until(other, decided, "Succeeded"), await until(other, cancelled, "Cancelled")
        return once, views

    once, (decided, cancelled) = go(main())
    assert [line.partition(" ")[2] for line in once] == [
        "begins: hand-made, submitted by ada",
        "Waiting for people: ask",
    ]
    assert len(decided.steps[0].history) == 2
    assert cancelled.failure.message == "step `ask`: cancelled by dan"


def test_a_cancelled_run_waits_for_those_whom_its_finally_asks(serving, make_plan, make_node, go):
    plan = make_plan(gate(make_node, "ask"), finals=[gate(make_node, "tidy")])

    async def main():
        async with serving() as (_, other, said):
            run = await submitted(other, plan)
            await until(other, run, "Waiting")
            await other.cancel(run, by="dan")
            while (view := other.view(run)).steps[0].phase != "Cancelled" or view.phase != "Waiting":
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            lines = [line for line in said if line.startswith(run)]
            with other.following(run) as following:
                assert [event async for event in following] == []
            await other.signal(run, approval("tidy"))
            await until(other, run, "Cancelled")
        return lines

    assert [line.partition(" ")[2] for line in go(main())] == [
        "begins: hand-made, submitted by ada",
        "Waiting for people: ask",
        "goes on: hand-made, submitted by ada",
        "Waiting for people: tidy",
    ]


def test_a_decision_inside_a_capsule_wakes_the_whole(serving, make_plan, make_node, go):
    inside = make_plan(gate(make_node, "ask"), outputs={})
    capsule = make_node("scan", operator="capsule", capsule=plan_digest(inside), arguments={"use": "scan"})
    plan = make_plan(capsule, capsules={plan_digest(inside): inside})

    async def main():
        async with serving() as (_, other, _):
            run = await submitted(other, plan)
            await until(other, run, "Waiting")
            await other.signal(f"{run}.scan", approval("ask"))
            return await until(other, run, "Succeeded")

    assert go(main()).phase == "Succeeded"


def test_whom_runs_wait_for_is_said_again_and_again(serving, make_plan, make_node, go):
    inside = make_plan(
        gate(make_node, "ask", reviewers={"users": ["bob"], "notSubmitter": True}, due="31d"), outputs={}
    )
    capsule = make_node("scan", operator="capsule", capsule=plan_digest(inside), arguments={"use": "scan"})
    plan = make_plan(capsule, capsules={plan_digest(inside): inside})

    async def main():
        async with serving(remind_s=0.2) as (_, other, said):
            run = await submitted(other, plan)
            await until(other, run, "Waiting")
            async with asyncio.timeout(20):
                while len([line for line in said if " waits since " in line]) < 2:
                    await asyncio.sleep(0.02)
            return run, said[:]

    run, said = go(main())
    first, second, *_ = [line for line in said if " waits since " in line]
    assert first == second
    assert first.startswith(f"{run} waits since 20")
    assert first.endswith(" for bob, not ada: scan/ask")
    assert ", until 20" in first


def test_a_due_date_passes_although_nobody_writes_anything(serving, make_plan, make_node, go):
    plan = make_plan(gate(make_node, "ask", due="1s", onTimeout="approve"))

    async def main():
        async with serving() as (_, other, _):
            run = await submitted(other, plan)
            await until(other, run, "Waiting")
            return await until(other, run, "Succeeded")

    view = go(main())
    attempts = view.steps[0].history
    assert timedelta(seconds=1) <= attempts[1].started_at - attempts[0].ended_at < timedelta(seconds=2)


def test_a_run_that_cannot_be_gone_on_with_keeps_no_other_from_going_on(
    serving, make_engine, make_plan, make_node, go, tmp_path
):
    async def main():
        async with serving() as (_, other, said):
            bad = await submitted(other, make_plan(make_node("a", operator="gone")))
            good = await submitted(other, make_plan(make_node("a")))
            await until(other, good, "Succeeded")
            await until(other, bad, "Pending")
            return bad, said

    bad, said = go(main())
    told = [line for line in said if line.startswith(f"{bad} cannot be gone on with")]
    assert len(told) == 1
    assert "needs the operator `gone`, which is not installed here" in told[0]


def test_steps_at_work_may_end_when_it_is_told_to_stop_and_none_begins(serving, make_plan, make_node, go, tmp_path):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 0.6})
    plan = make_plan(slow, make_node("after", "slow"))

    async def main():
        async with serving() as (worker, other, said):
            run = await submitted(other, plan)
            while not (tmp_path / "marks").exists():
                await asyncio.sleep(0.01)
            worker.stop()
        return other.view(run), said

    view, said = go(main())
    assert [step.phase for step in view.steps] == ["Succeeded", "Pending"]
    assert [one.failure for one in view.steps[0].history] == [None]
    assert said[-3:] == [
        "stops; waits up to 10 s for 1 step at work",
        f"{view.run.id} is left as it is; who works here next goes on with it",
        "stopped; nothing recorded is lost",
    ]


@pytest.mark.parametrize("again", [True, False])
def test_what_is_still_at_work_after_that_is_cut_off(serving, make_plan, make_node, go, tmp_path, again):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 60})

    async def main():
        async with serving(grace_s=60 if again else 0.1) as (worker, other, _):
            run = await submitted(other, make_plan(slow))
            while not (tmp_path / "marks").exists():
                await asyncio.sleep(0.01)
            worker.stop()
            if again:
                worker.stop()
        return other.view(run)

    view = go(main())
    assert (view.phase, view.steps[0].history[0].failure.failure_class) == ("Pending", "cut_off")


@pytest.mark.skipif(VARIABLE in os.environ, reason="workers that share a store do not wait for each other")
def test_another_one_stands_by_and_takes_over(serving, make_engine, make_plan, make_node, go, place):
    async def main():
        async with serving() as (first, other, _):
            await until(other, await submitted(other, make_plan(make_node("a"))), "Succeeded")
            said: list[str] = []
            second = Worker(place, make_engine, said.append)
            task = asyncio.create_task(second.serve())
            await asyncio.sleep(0.3)
            standing = list(said)
            first.stop()
            run = await submitted(other, make_plan(make_node("a")))
            view = await until(other, run, "Succeeded")
            second.stop()
            await task
        return standing, said, view

    standing, said, view = go(main())
    assert len(standing) == 1
    assert standing[0].startswith("stands by: process ")
    assert f"{view.run.id} Succeeded" in said


def test_who_only_looks_on_from_another_process_is_told_the_same(make_engine, make_plan, make_node, go, tmp_path):
    def note(step, *needs, **fields):
        arguments = {"file": str(tmp_path / "marks"), "seconds": 0.2, **fields.pop("arguments", {})}
        return make_node(step, *needs, operator="note", arguments=arguments, **fields)

    inside = make_plan(note("c"), outputs={})
    fan = FanOut(items=Template(value=[5, 6]), name="n", item_schema={"type": "integer"})
    plan = make_plan(
        note("a"),
        note("many", "a", fan_out=fan),
        make_node("scan", "a", operator="capsule", capsule=plan_digest(inside), arguments={"use": "scan"}),
        note("bad", "a", arguments={"always": "transient"}, retry=Retry(attempts=2, failures=["transient"])),
        make_node("off", "a", guard="false"),
        make_node("omitted", "bad"),
        gate(make_node, "ask", "a"),
        capsules={plan_digest(inside): inside},
    )

    def told(event):
        return (str(event.key), event.kind, event.phase, event.attempt, event.items, event.message)

    async def main():
        async with make_engine() as working, make_engine() as looking:
            run = await submitted(working, plan)
            await working.hold()
            await working.claim([run], 1)
            watched, followed = [], []

            async def watch():
                watched.extend([event async for event in working.watch(run)])

            async def follow():
                with looking.following(run) as events:
                    followed.extend([event async for event in events])
                    return events.phase

            onlookers = asyncio.create_task(watch()), asyncio.create_task(follow())
            await asyncio.sleep(0)
            await working.run(run)
            _, phase = await asyncio.gather(*onlookers)
        return [told(event) for event in watched if event.kind != "run"], [told(event) for event in followed], phase

    watched, followed, phase = go(main())
    assert phase == "Waiting"
    assert sorted(followed) == sorted(watched)
    for step in ("a", "many", "bad", "ask"):
        assert [one for one in followed if one[0].endswith(f"/{step}")] == [
            one for one in watched if one[0].endswith(f"/{step}")
        ]
