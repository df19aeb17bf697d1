# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""Fan-outs that collect failures, and budgets under items that run at the same time."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Budget, FanOut, Hole, Retry, Template, encode_plan
from somagent.operators.runner.records import Decision

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


@pytest.fixture
def many(make_node, tmp_path):
    """A fan-out over so many numbers; an item fails where `always` gives a class."""

    def make(count, *, always="", on_failure="collect", limit=0, fields=None, **arguments):
        value = {"file": str(tmp_path / "marks"), "value": 1, **arguments}
        items = FanOut(
            items=Template(value=list(range(count))),
            name="n",
            item_schema={"type": "integer"},
            on_failure=on_failure,
            max_parallel=limit,
        )
        outputs = {"value": {"type": "integer"}}
        node = make_node("many", operator="note", arguments=value, outputs=outputs, fan_out=items, **(fields or {}))
        holes = [Hole(at=["always"], cel=always)] if always else []
        return replace(node, arguments=Template(value=value, holes=holes))

    return make


def ends(view):
    return [item.phase for item in view.steps[0].items]


def test_a_run_whose_time_is_up_does_not_collect_what_it_gave_up(run_plan, make_plan, many):
    slow = many(4, limit=2, always="n == 0 ? 'error' : ''", seconds=0.2)
    view = run_plan(make_plan(slow, budget=Budget(wall_clock_ms=300)))
    assert (view.phase, view.steps[0].phase) == ("Failed", "Failed")
    assert ends(view)[0] == "Failed"
    assert view.steps[0].failure.failure_class == "budget"
    assert "item 0" not in view.steps[0].failure.message  # it failed by itself, and was collected


def test_a_cancelled_fan_out_is_cancelled_whatever_it_collects(go, make_engine, make_plan, many):
    async def main():
        async with make_engine() as engine:
            run = await engine.submit(make_plan(many(3, seconds=60)), {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.kind == "attempt" and event.key.item == 2:
                    await engine.cancel(run, by="bob")
            return await work

    view = go(main())
    assert (view.phase, view.steps[0].phase, set(ends(view))) == ("Cancelled", "Cancelled", {"Cancelled"})


@pytest.mark.parametrize("on_exceed", ["stop", "ask", "warn"])
def test_items_at_the_same_time_never_spend_the_same_rest_twice(run_plan, make_plan, many, on_exceed):
    fields = {"total_budget": Budget(tokens=10, on_exceed=on_exceed)}
    view = run_plan(make_plan(many(10, tokens=3, seconds=0.05, fields=fields)), parallel=10)
    others = {"stop": "Failed", "ask": "Waiting", "warn": "Succeeded"}[on_exceed]
    assert sorted(ends(view)) == sorted(["Succeeded"] * 3 + [others] * 7)
    assert view.steps[0].spent.tokens == (30 if on_exceed == "warn" else 9)
    assert len([one for one in view.warnings if "`each" in one or "`many/" in one]) == (7 if on_exceed == "warn" else 0)


def test_people_let_one_item_go_beyond_and_refuse_another(go, make_engine, make_plan, many):
    fields = {"budget": Budget(tokens=2, on_exceed="ask")}

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(make_plan(many(2, tokens=3, fields=fields)), {}, submitter="ada", files={})
            parked = await engine.run(run)
            assert [item.waiting.title for item in parked.steps[0].items] == [
                f"May step `many/{n}` go beyond the budget `many/{n}`?" for n in range(2)
            ]
            await engine.signal(run, Decision(step="many", item=0, by="bob", approve=True, at=AT))
            await engine.signal(run, Decision(step="many", item=1, by="bob", approve=False, at=AT))
        async with make_engine() as engine:
            return await engine.run(run)

    view = go(main())
    assert (view.phase, ends(view)) == ("Succeeded", ["Succeeded", "Failed"])
    assert view.steps[0].items[1].failure.failure_class == "budget"


def test_a_killed_process_leaves_collected_items_collected(start, make_plan, many, tmp_path, go, make_engine):
    retry = Retry(attempts=2, failures=["error"])
    plan = make_plan(many(6, limit=2, always="n % 2 == 1 ? 'error' : ''", seconds=0.3, fields={"retry": retry}))
    (tmp_path / "plan.json").write_bytes(encode_plan(plan))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    assert process.stdout is not None
    run = process.stdout.readline().split()[-1]
    engine = make_engine()
    while "Failed" not in ends(engine.view(run)):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {item.item: item for item in engine.view(run).steps[0].items if item.ended_at is not None}

    async def main():
        async with make_engine() as other:
            return await other.run(run)

    view = go(main())
    assert (view.phase, ends(view)) == ("Succeeded", ["Succeeded", "Failed"] * 3)
    after = {item.item: item for item in view.steps[0].items}
    assert before
    assert all(after[number] == item for number, item in before.items())
    assert [item.failure.message for item in view.steps[0].items[1::2]] == ["told to fail"] * 3
