# ruff: noqa: ASYNC110, PLR0917 -- what others do in a directory has no event; a test names the fixtures it uses
"""What attempts share is kept to its limits, in one run and between runs, and keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import os
from itertools import pairwise

from databases import VARIABLE

from somagent.capsule_compiler.plan import FanOut, Template
from somagent.workflows.engines.local.worker import Worker
from somagent.workflows.engines.slots import Limit, Limits


def naps(make_node, count, operator="script", seconds=0.1):
    return [make_node(f"n{at}", operator=operator, arguments={"run": f"sleep {seconds}"}) for at in range(count)]


def most_at_once(view, *steps):
    """How many attempts of these steps were at work together, by what was written down."""
    spans = [(step.started_at, step.ended_at) for step in view.steps if step.id in steps or not steps]
    return max(sum(start <= at < end for start, end in spans) for at, _ in spans)


def test_an_operator_is_used_by_so_many_at_once(make_plan, make_node, run_plan):
    limits = Limits({"operators.script": Limit(at_once=2)})
    view = run_plan(make_plan(*naps(make_node, 6)), limits=limits, parallel=6)
    assert view.phase == "Succeeded"
    assert most_at_once(view) == 2


def test_what_waits_for_a_resource_keeps_nothing_else_waiting(make_plan, make_node, run_plan):
    scripts = naps(make_node, 4, seconds=2 if VARIABLE in os.environ else 1)  # forty steps take their time
    others = [make_node(f"other{at}") for at in range(40)]
    view = run_plan(make_plan(*scripts, *others), limits=Limits({"operators.script": Limit(at_once=1)}), parallel=2)
    ended = {step.id: step.ended_at for step in view.steps}
    assert max(ended[f"other{at}"] for at in range(40)) < ended["n1"], "they came after four scripts in the plan"


def test_runs_share_what_is_limited_in_turn(make_engine, make_plan, make_node, go):
    async def main():
        async with make_engine(limits=Limits({"operators.script": Limit(at_once=1)}), parallel=8) as engine:
            plans = [make_plan(*naps(make_node, count)) for count in (12, 2)]
            runs = [await engine.submit(plan, {}, submitter="ada", files={}) for plan in plans]
            return await asyncio.gather(*map(engine.run, runs))

    long, short = go(main())
    assert most_at_once(long) == 1
    before = sum(step.ended_at < short.ended_at for step in long.steps)
    assert before <= 4, "the short run did not wait for the long one"


def test_a_rate_spreads_attempts_over_time(make_engine, make_plan, make_node, clock, go):
    async def main():
        async with make_engine(clock, limits=Limits({"operators.noop": Limit(per_minute=60)}), parallel=50) as engine:
            plan = make_plan(*[make_node(f"a{at}") for at in range(30)])
            run = await engine.submit(plan, {}, submitter="ada", files={})
            began = clock.seconds
            view = await engine.run(run)
            return view, clock.seconds - began

    view, took = go(main())
    assert view.phase == "Succeeded"
    assert 23.9 <= took <= 24.1, "six at once after a rest, then one a second"


def test_tokens_that_were_spent_are_made_up_for_before_the_next_attempt(
    make_engine, make_plan, make_node, clock, go, tmp_path
):
    async def main():
        limits = Limits({"operators.note": Limit(tokens_per_minute=6000)})
        async with make_engine(clock, limits=limits, parallel=1) as engine:
            note = {"file": str(tmp_path / "notes"), "tokens": 3000}
            nodes = [make_node(f"a{at}", operator="note", arguments=note) for at in range(4)]
            run = await engine.submit(make_plan(*nodes), {}, submitter="ada", files={})
            began = clock.seconds
            view = await engine.run(run)
            return view, clock.seconds - began

    view, took = go(main())
    assert view.phase == "Succeeded"
    assert sum(step.spent.tokens for step in view.steps) == 12_000
    assert 83 <= took <= 85, "600 at once after a rest, then 100 a second; the last 3,000 are not waited for"


def test_items_of_a_fan_out_keep_to_the_limit_of_their_capsule(make_plan, make_node, run_plan):
    items = Template(value=list(range(6)))
    fan = make_node(
        "each", operator="script", arguments={"run": "sleep 0.1"}, fan_out=FanOut(items=items, name="n", item_schema={})
    )
    plan = make_plan(fan, make_node("other"))
    view = run_plan(plan, limits=Limits({"capsules.hand-made": Limit(at_once=2)}), parallel=9)
    spans = [(item.started_at, item.ended_at) for item in view.steps[0].items]
    assert max(sum(start <= at < end for start, end in spans) for at, _ in spans) == 2


def test_a_cancelled_run_does_not_wait_for_a_rate(make_engine, make_plan, make_node, go):
    async def main():
        async with make_engine(limits=Limits({"operators.noop": Limit(per_minute=1)})) as engine:
            run = await engine.submit(
                make_plan(*[make_node(f"a{at}") for at in range(3)]), {}, submitter="ada", files={}
            )
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.kind == "result":
                    break
            await engine.cancel(run, by="ada")
            async with asyncio.timeout(5):
                return await work

    view = go(main())
    assert [step.phase for step in view.steps] == ["Succeeded", "Cancelled", "Cancelled"]


def test_a_worker_has_so_many_runs_of_a_capsule_at_work(make_engine, make_plan, make_node, place, go):
    said: list[str] = []

    async def main():
        limits = Limits(runs={"hand-made": 1})
        worker = Worker(place, lambda: make_engine(limits=limits), said.append)
        async with make_engine() as other:
            runs = [await other.submit(make_plan(*naps(make_node, 1)), {}, submitter="ada", files={}) for _ in range(3)]
            task = asyncio.create_task(worker.serve())
            async with asyncio.timeout(20):
                while any(other.view(run).phase != "Succeeded" for run in runs):
                    await asyncio.sleep(0.05)
            worker.stop()
            await task
            return [other.view(run) for run in runs]

    views = sorted(go(main()), key=lambda view: view.started_at)
    assert [view.phase for view in views] == ["Succeeded"] * 3
    assert all(one.ended_at <= other.started_at for one, other in pairwise(views))


def test_who_has_what_a_step_waits_for_is_known_across_runs(make_engine, make_plan, make_node, go, tmp_path):
    async def main():
        limits = Limits({"operators.script": Limit(at_once=1), "operators.noop": Limit(per_minute=1)})
        async with make_engine(limits=limits, parallel=8) as engine:
            wait = f"for _ in $(seq 1500); do [ ! -e {tmp_path / 'go'} ] || break; sleep 0.02; done"
            plan = make_plan(make_node("a", operator="script", arguments={"run": wait}), make_node("b"), make_node("c"))
            first, second = [await engine.submit(plan, {}, submitter="ada", files={}) for _ in range(2)]
            work = [asyncio.create_task(engine.run(run)) for run in (first, second)]
            async with asyncio.timeout(20):
                while len(found := engine.crowded(second)) < 3:
                    await asyncio.sleep(0.02)
            (tmp_path / "go").touch()
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            return first, found

    first, found = go(main())
    assert (found["a"].resource, found["a"].holders) == ("operators.script", (f"{first}/a",))
    assert (found["c"].resource, found["c"].holders) == ("operators.noop", ())
    assert 0 < found["c"].left_s <= 60
