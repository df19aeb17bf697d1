# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""A step that is a capsule: a run inside the run, driven with it, and never begun twice."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import (
    Amounts,
    Budget,
    CapsuleInfo,
    FanOut,
    Hole,
    Plan,
    Retry,
    Template,
    encode_plan,
    plan_digest,
)
from somagent.operators.runner.records import Decision, StepKey
from somagent.workflows.engines.local.reading import opened
from somagent.workflows.engines.protocol import DecisionRefused, EngineError
from somagent.workflows.engines.run_names import child_id, path_below

INTEGER = {"type": "integer"}
AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)


class Family:
    """Plans made by hand: a capsule named after its step, and whole plans around it."""

    def __init__(self, make_plan: Any, make_node: Any, marks: Path) -> None:
        self.make_plan, self.make_node, self.marks = make_plan, make_node, marks

    def note(self, step: str, *needs: str, holes: Any = (), **fields: Any) -> Any:
        names = ("value", "seconds", "tokens", "more_tokens", "fail", "always")
        arguments = {"file": str(self.marks), "value": 0} | {name: fields.pop(name) for name in names if name in fields}
        outputs = {"value": INTEGER}
        node = self.make_node(step, *needs, operator="note", arguments=arguments, outputs=outputs, **fields)
        return replace(node, arguments=Template(value=arguments, holes=[Hole(at=[a], cel=cel) for a, cel in holes]))

    def capsule(self, step: str, inside: Plan, *needs: str, given: Any = (), **fields: Any) -> Any:
        arguments = {"use": step, "with": dict.fromkeys([name for name, _ in given])}
        holes = [Hole(at=["with", name], cel=cel) for name, cel in given]
        outputs = inside.output_schemas
        node = self.make_node(
            step, *needs, operator="capsule", capsule=plan_digest(inside), **{"outputs": outputs, **fields}
        )
        return replace(node, arguments=Template(value=arguments, holes=holes))

    def inside(self, name: str, *nodes: Any, outputs: Any = None, **fields: Any) -> Plan:
        given = {one: Template(holes=[Hole(at=[], cel=cel)]) for one, cel in (outputs or {}).items()}
        schemas = dict.fromkeys(given, INTEGER)
        plan = self.make_plan(*nodes, outputs=given, output_schemas=schemas, **fields)
        return replace(plan, capsule=CapsuleInfo(name=name))

    def around(self, *nodes: Any, inside: tuple[Plan, ...], **fields: Any) -> Plan:
        return self.make_plan(*nodes, capsules={plan_digest(one): one for one in inside}, **fields)

    def begun(self) -> list[str]:
        lines = self.marks.read_text().splitlines() if self.marks.exists() else []
        return [line.removeprefix("began ") for line in lines if line.startswith("began")]


@pytest.fixture
def family(make_plan, make_node, tmp_path) -> Family:
    return Family(make_plan, make_node, tmp_path / "marks")


def inner(view, step="scan", item=None):
    found = next(one for one in view.steps if one.id == step)
    return (found if item is None else found.items[item]).inner


def test_values_go_in_and_come_out_and_only_the_whole_is_listed(family, run_plan, make_engine, phases):
    scan = family.inside(
        "dependency-scan",
        family.note("a", holes=[("value", "inputs.n + inputs.more")]),
        inputs={"n": INTEGER, "more": {"type": "integer", "default": 30}},
        outputs={"sum": "steps.a.value"},
    )
    step = family.capsule("scan", scan, "first", given=[("n", "steps.first.value")])
    after = family.note("after", "scan", holes=[("value", "steps.scan.sum + 1")])
    view = run_plan(family.around(family.note("first", value=12), step, after, inside=(scan,)))
    assert phases(view) == dict.fromkeys(["first", "scan", "after"], "Succeeded")
    assert view.steps[2].outputs == {"value": 43}
    inside = inner(view)
    assert (inside.run.id, inside.run.capsule) == (f"{view.run.id}.scan", "dependency-scan")
    assert (inside.run.inputs, inside.outputs) == ({"n": 12, "more": 30}, {"sum": 42})
    assert inside.run.plan_digest == plan_digest(scan)
    engine = make_engine()
    assert [one.id for one in engine.runs()] == [view.run.id]
    assert {one.id for one in engine.runs(children=True)} == {view.run.id, inside.run.id}


def test_inputs_that_the_capsule_does_not_take_fail_the_step_before_it_begins(family, run_plan):
    scan = family.inside("scan", family.note("a"), inputs={"n": INTEGER, "m": INTEGER})
    step = family.capsule("scan", scan, given=[("n", "'seven'")])
    view = run_plan(family.around(step, inside=(scan,)))
    assert view.steps[0].failure.message == (
        'capsule `scan`: input `m` is missing\ninput `n`: "seven" is not of type "integer"'
    )
    assert family.begun() == []


def test_one_place_at_work_is_enough_however_deep_they_are(family, run_plan):
    deepest = family.inside("deepest", family.note("z", value=7), outputs={"n": "steps.z.value"})
    middle = family.inside("middle", family.capsule("down", deepest), outputs={"n": "steps.down.n"})
    step = family.capsule("scan", middle)
    view = run_plan(family.around(step, inside=(middle, deepest)), parallel=1)
    assert view.phase == "Succeeded"
    assert view.steps[0].outputs == {"n": 7}
    assert inner(inner(view), "down").run.id == f"{view.run.id}.scan.down"


def test_a_failure_names_the_whole_chain(family, run_plan):
    deepest = family.inside("deepest", family.note("z", always="denied"))
    middle = family.inside("middle", family.capsule("down", deepest))
    view = run_plan(family.around(family.capsule("scan", middle), inside=(middle, deepest)))
    assert (
        view.failure.message == "step `scan`: capsule `middle`: step `down`: capsule `deepest`: step `z`: told to fail"
    )
    assert view.failure.failure_class == "denied"
    assert view.failure.child == f"{view.run.id}.scan"


def test_a_step_tried_again_continues_what_its_capsule_has_recorded(family, run_plan):
    deepest = family.inside("deepest", family.note("y"), family.note("z", "y", fail=["error"], value=5))
    retry = Retry(attempts=3, failures=["error"])
    middle = family.inside(
        "middle", family.note("a"), family.capsule("down", deepest, "a"), finals=[family.note("tidy")]
    )
    view = run_plan(family.around(family.capsule("scan", middle, retry=retry), inside=(middle, deepest)))
    assert view.phase == "Failed"  # `z` fails in its first attempt, and each run of its capsule has a first one
    assert view.steps[0].attempts == 3
    assert inner(view).run.id == f"{view.run.id}.scan-3"
    assert inner(view).run.retry_of == f"{view.run.id}.scan-2"
    assert inner(inner(view), "down").run.id == f"{view.run.id}.scan-3.down"
    assert family.begun() == ["a 1", "y 1", "z 1", "tidy 1", "z 1", "tidy 1", "z 1", "tidy 1"]


def test_items_that_succeeded_in_a_capsule_are_not_run_again_with_it(family, run_plan):
    items = FanOut(items=Template(value=[1, 2, 3]), name="n", item_schema=INTEGER)
    many = family.note("many", holes=[("always", "n == 2 ? 'error' : ''")], fan_out=items)
    scan = family.inside("scan", many)
    view = run_plan(
        family.around(family.capsule("scan", scan, retry=Retry(attempts=2, failures=["error"])), inside=(scan,))
    )
    assert view.phase == "Failed"
    assert sorted(family.begun()) == ["many.0 1", "many.1 1", "many.1 1", "many.2 1"]


def test_a_review_inside_parks_the_whole_and_is_decided_there(family, go, make_engine, make_node, phases):
    gate = make_node("approval", operator="ask", gate=True)
    scan = family.inside("scan", family.note("a"), gate, family.note("b", "approval", "a"))
    plan = family.around(family.capsule("scan", scan), inside=(scan,))

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            view = await engine.run(run)
            assert (view.phase, phases(view)) == ("Waiting", {"scan": "Waiting"})
            waiting = view.steps[0].waiting
            assert (waiting.title, waiting.child) == ("scan/approval: May approval pass?", f"{run}.scan")
            with pytest.raises(DecisionRefused, match="waits for a step inside its capsule: scan/approval"):
                await engine.signal(run, Decision(step="scan", by="bob", approve=True, at=AT))
            await engine.signal(f"{run}.scan", Decision(step="approval", by="bob", approve=True, at=AT))
        async with make_engine() as engine:
            return await engine.run(run)

    view = go(main())
    assert (view.phase, phases(inner(view))) == (
        "Succeeded",
        {"a": "Succeeded", "approval": "Succeeded", "b": "Succeeded"},
    )
    assert family.begun() == ["a 1", "b 1"]
    assert view.steps[0].attempts == 2


def test_a_decision_reaches_a_capsule_while_the_rest_of_the_run_is_at_work(family, go, make_engine, make_node):
    scan = family.inside("scan", make_node("approval", operator="ask", gate=True))
    slow = family.note("slow", seconds=1.0)
    plan = family.around(slow, family.capsule("scan", scan), inside=(scan,))

    async def main():
        async with make_engine() as engine, make_engine() as other:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.kind == "waiting" and event.key == StepKey(run, "scan"):
                    break
            await other.signal(f"{run}.scan", Decision(step="approval", by="bob", approve=True, at=AT))
            return await work

    view = go(main())
    assert view.phase == "Succeeded"
    assert view.steps[1].ended_at < view.steps[0].ended_at


def test_a_cancelled_run_ends_its_capsules_with_their_finals(family, go, make_engine, phases):
    deepest = family.inside("deepest", family.note("z", seconds=60), finals=[family.note("tidy_z")])
    middle = family.inside("middle", family.capsule("down", deepest), finals=[family.note("tidy_m")])
    plan = family.around(family.capsule("scan", middle), inside=(middle, deepest), finals=[family.note("tidy")])

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.kind == "attempt" and event.key.step == "z":
                    await engine.cancel(run, by="bob")
                    break
            return await work

    view = go(main())
    assert (view.phase, view.failure.message) == ("Cancelled", "step `scan`: cancelled by bob")
    assert (inner(view).phase, inner(inner(view), "down").phase) == ("Cancelled", "Cancelled")
    assert family.begun() == ["z 1", "tidy_z 1", "tidy_m 1", "tidy 1"]


@pytest.mark.parametrize("parked", [True, False], ids=["parked", "interrupted"])
def test_what_was_cancelled_while_nobody_was_at_work_ends_its_capsules_too(
    family, go, make_engine, make_node, parked, phases
):
    gate = make_node("approval", operator="ask") if parked else family.note("approval", seconds=60)
    scan = family.inside("scan", gate, finals=[family.note("tidy")])
    plan = family.around(family.capsule("scan", scan), inside=(scan,))

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            work = asyncio.create_task(engine.run(run))
            async for event in engine.watch(run):
                if event.key.step == "approval" and event.kind in {"attempt", "waiting"} and not parked:
                    work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            assert engine.view(run).phase == ("Waiting" if parked else "Pending")
            await engine.cancel(run, by="bob")
        async with make_engine() as engine:
            return await engine.run(run)

    view = go(main())
    assert (view.phase, inner(view).phase) == ("Cancelled", "Cancelled")
    assert phases(inner(view)) == {"approval": "Cancelled", "tidy": "Succeeded"}


def test_each_item_of_a_fan_out_has_a_capsule_of_its_own(family, run_plan):
    scan = family.inside(
        "scan",
        family.note("a", holes=[("value", "inputs.n"), ("always", "inputs.n == 2 ? 'error' : ''")]),
        inputs={"n": INTEGER},
        outputs={"n": "steps.a.value"},
    )
    items = FanOut(items=Template(value=[1, 2, 3]), name="n", item_schema=INTEGER, on_failure="collect")
    step = family.capsule("scan", scan, given=[("n", "n")], fan_out=items)
    got = family.note("got", "scan", holes=[("value", "steps.scan.filter(s, has(s.n)).map(s, s.n)[1]")])
    view = run_plan(family.around(step, got, inside=(scan,)))
    assert view.phase == "Succeeded"
    assert [one.inner.run.id for one in view.steps[0].items] == [f"{view.run.id}.scan.{n}" for n in range(3)]
    assert [one.phase for one in view.steps[0].items] == ["Succeeded", "Failed", "Succeeded"]
    assert view.steps[1].outputs == {"value": 3}


def test_what_is_spent_inside_counts_in_every_budget_above(place, family, run_plan, tmp_path):
    deepest = family.inside("deepest", family.note("y", tokens=4), family.note("z", "y", tokens=4, more_tokens=1))
    middle = family.inside("middle", family.capsule("down", deepest), budget=Budget(tokens=50))
    last = family.note("last", "scan", tokens=2, holes=[("value", "steps.scan.spend.tokens")])
    plan = family.around(
        family.capsule("scan", middle, budget=Budget(tokens=20)),
        last,
        inside=(middle, deepest),
        budget=Budget(tokens=11),
    )
    view = run_plan(plan)
    assert view.phase == "Succeeded"
    assert view.steps[0].spent == inner(view).steps[0].spent == Amounts(tokens=9)
    assert view.steps[1].outputs == {"value": 9}
    with opened(place) as rows:
        assert rows.spent(view.run.id) == Amounts(tokens=11)
        assert rows._ask("SELECT * FROM reservations", ()) == []


def test_a_step_inside_may_not_spend_what_the_run_has_not_left(family, run_plan):
    scan = family.inside("scan", family.note("y", tokens=4), family.note("z", "y", tokens=4), budget=Budget(tokens=50))
    view = run_plan(family.around(family.capsule("scan", scan, budget=Budget(tokens=6)), inside=(scan,)))
    assert view.failure.message == (
        f"step `scan`: capsule `scan`: step `z`: budget `{view.run.id}/scan` allows 6 tokens, "
        "used so far: 4 tokens; `z` asked for 4 tokens"
    )
    assert view.failure.failure_class == "budget"


def test_a_capsule_that_takes_too_long_is_ended_with_its_finals(family, run_plan, phases):
    scan = family.inside("scan", family.note("a", seconds=60), finals=[family.note("tidy")])
    view = run_plan(family.around(family.capsule("scan", scan, timeout_ms=300), inside=(scan,)))
    assert view.failure.message == "step `scan`: capsule `scan`: step `a`: cut off after 0.3 s"
    assert view.failure.failure_class == "timeout"
    assert phases(inner(view)) == {"a": "Failed", "tidy": "Succeeded"}
    limited = family.capsule("scan", scan, budget=Budget(wall_clock_ms=300))
    view = run_plan(family.around(limited, inside=(scan,)))
    assert view.failure.failure_class == "budget"
    assert "budget `scan` of wallClock 300ms is used up" in view.failure.message


def test_only_the_whole_is_gone_on_with_or_stopped(family, run_plan, go, make_engine):
    scan = family.inside("scan", family.note("a"))
    view = run_plan(family.around(family.capsule("scan", scan), inside=(scan,)))
    child = inner(view).run.id

    async def main():
        async with make_engine() as engine:
            for act in (engine.run(child), engine.cancel(child, by="bob"), engine.retry_from(child, "a")):
                with pytest.raises(EngineError, match=f"{child} is a part of {view.run.id}"):
                    await act

    go(main())


def test_an_operator_that_is_missing_inside_is_missed_before_anything_starts(family, go, make_engine, make_node):
    scan = family.inside("scan", make_node("a", operator="slm"))
    plan = family.around(family.note("first"), family.capsule("scan", scan, "first"), inside=(scan,))

    async def main():
        async with make_engine() as engine:
            await engine.run(await engine.submit(plan, {}, submitter="ada", files={}))

    with pytest.raises(EngineError, match="needs the operator `slm`"):
        go(main())
    assert family.begun() == []


def test_a_process_killed_inside_a_capsule_goes_on_in_the_same_capsule(family, start, tmp_path, go, make_engine):
    scan = family.inside("scan", family.note("a"), family.note("b", "a", seconds=30), finals=[family.note("tidy")])
    items = FanOut(items=Template(value=[1, 2]), name="n", item_schema=INTEGER)
    plan = family.around(family.capsule("scan", scan, fan_out=items), inside=(scan,))
    (tmp_path / "plan.json").write_bytes(encode_plan(plan))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    assert process.stdout is not None
    run = process.stdout.readline().split()[-1]
    while family.begun().count("b 1") < 2:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.wait()

    async def main():
        async with make_engine() as engine:
            work = asyncio.create_task(engine.run(run))
            while family.begun().count("b 2") < 2:  # noqa: ASYNC110 - written by operators
                await asyncio.sleep(0.02)
            await engine.cancel(run, by="bob")
            return await work

    view = go(main())
    assert sorted(family.begun()) == ["a 1", "a 1", "b 1", "b 1", "b 2", "b 2", "tidy 1", "tidy 1"]
    assert [one.inner.run.id for one in view.steps[0].items] == [f"{run}.scan.0", f"{run}.scan.1"]
    assert [one.inner.phase for one in view.steps[0].items] == ["Cancelled", "Cancelled"]


def test_a_run_from_a_step_on_keeps_the_capsules_that_succeeded_and_begins_the_others_anew(
    family, go, make_engine, tmp_path
):
    good, bad = (
        family.inside("good", family.note("g")),
        family.inside("bad", family.note("b1"), family.note("b2", "b1", fail=["error"])),
    )
    plan = family.around(family.capsule("one", good), family.capsule("two", bad, "one"), inside=(good, bad))

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})
            assert (await engine.run(run)).phase == "Failed"
            return await engine.run(await engine.retry_from(run, "two"))

    view = go(main())
    assert [step.phase for step in view.steps] == ["Succeeded", "Failed"]
    assert inner(view, "one") is None  # it was taken over from the other run, and is shown there
    assert inner(view, "two").run.id == f"{view.run.id}.two"
    assert family.begun() == ["g 1", "b1 1", "b2 1", "b1 1", "b2 1"]


def test_another_process_decides_inside_a_capsule_while_one_is_at_work(
    family, start, tmp_path, make_node, go, make_engine
):
    scan = family.inside("scan", make_node("approval", operator="ask"), family.note("after", "approval"))
    plan = family.around(family.note("slow", seconds=3), family.capsule("scan", scan), inside=(scan,))
    (tmp_path / "plan.json").write_bytes(encode_plan(plan))
    process = start("work", tmp_path / "data", tmp_path / "plan.json")
    assert process.stdout is not None
    run = process.stdout.readline().split()[-1]
    engine = make_engine()
    while engine.view(run).steps[1].phase != "Waiting":
        assert process.poll() is None, process.communicate()

    async def decide():
        async with make_engine() as other:
            await other.signal(f"{run}.scan", Decision(step="approval", by="bob", approve=True, at=AT))

    go(decide())
    assert process.stdout.readline().strip() == "Succeeded"
    view = engine.view(run)
    assert view.steps[1].ended_at < view.steps[0].ended_at
    assert view.held_by is None


def test_a_look_at_what_others_wrote_before_a_run_has_begun_ends_nothing(family, go, make_engine):
    scan = family.inside("scan", family.note("a"))
    plan = family.around(family.capsule("scan", scan), inside=(scan,))

    async def main():
        def look(point: str) -> None:  # as the listener may, which looks on every run at work
            if point == "start.committed":
                for execution in engine._executions.values():
                    execution.look()

        async with make_engine(crash=look) as engine:
            return await engine.run(await engine.submit(plan, {}, submitter="ada", files={}))

    view = go(main())
    assert (view.phase, inner(view).phase) == ("Succeeded", "Succeeded")


def test_ids_say_where_a_run_belongs_and_stay_short_enough_for_file_names():
    key = StepKey("r-1", "scan", 3)
    assert (child_id(key, 1), child_id(key, 2)) == ("r-1.scan.3", "r-1.scan.3-2")
    assert path_below("r-1", StepKey("r-1.scan.3-2.audit", "build", 4)) == "scan/3/audit/build/4"
    deep = StepKey("r-1." + "step." * 40 + "x", "scan")
    assert child_id(deep, 1).startswith("r-1.")
    assert len(child_id(deep, 1)) < 80
    assert child_id(deep, 1) != child_id(deep, 2)
    assert json.dumps(child_id(deep, 1)) == json.dumps(child_id(deep, 1))
