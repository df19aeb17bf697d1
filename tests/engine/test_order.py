"""Every step whose needs are satisfied runs, and what fails stops only what needs it."""

from __future__ import annotations

import asyncio

import pytest

from somagent.capsule_compiler.plan import Cel, Edge, FanOut, Hole, Template

VALUE = {"value": {}}


@pytest.fixture
def note(make_node, tmp_path):
    """A step that leaves its marks in `tmp_path/marks`."""

    def make(step, *needs, operator="note", arguments=None, **fields):
        arguments = {"file": str(tmp_path / "marks"), **(arguments or {})}
        return make_node(step, *needs, operator=operator, arguments=arguments, **fields)

    return make


@pytest.fixture
def marks(tmp_path):
    """What the steps wrote, in order."""
    return lambda: (tmp_path / "marks").read_text().splitlines() if (tmp_path / "marks").exists() else []


def most_at_once(marks: list[str]) -> int:
    running, most = 0, 0
    for mark in marks:
        running += 1 if mark.startswith("began") else -1
        most = max(most, running)
    return most


def test_steps_run_in_the_order_of_their_needs(run_plan, make_plan, note, marks, phases):
    view = run_plan(make_plan(note("a"), note("b", "a"), note("c", "b")))
    assert view.phase == "Succeeded"
    assert marks() == ["began a 1", "ended a 1", "began b 1", "ended b 1", "began c 1", "ended c 1"]
    assert phases(view) == {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"}
    assert view.held_by is None
    assert view.started_at <= view.steps[0].started_at <= view.steps[2].ended_at <= view.ended_at


def test_a_step_starts_as_soon_as_its_own_needs_have_ended(run_plan, make_plan, note, marks):
    slow = {"seconds": 0.5}
    view = run_plan(make_plan(note("slow", arguments=slow), note("fast"), note("after_fast", "fast")))
    assert view.phase == "Succeeded"
    assert marks().index("ended after_fast 1") < marks().index("ended slow 1")


def test_a_failed_step_stops_only_what_needs_it(run_plan, make_plan, note, phases):
    bad = {"fail": ["error"]}
    view = run_plan(
        make_plan(
            note("bad", arguments=bad),
            note("good"),
            note("after_bad", "bad", "good"),
            note("after", "after_bad"),
            note("other", "good"),
        )
    )
    assert view.phase == "Failed"
    assert phases(view) == {
        "bad": "Failed", "good": "Succeeded", "after_bad": "Omitted", "after": "Omitted", "other": "Succeeded",
    }  # fmt: skip
    assert view.failure.message == "step `bad`: attempt 1 was told to fail"
    assert view.steps[2].failure.message == "step `bad` failed"
    assert view.steps[3].failure.message == "step `after_bad` was omitted"


def test_the_step_in_the_way_is_the_first_in_the_plan_whichever_failed_first(run_plan, make_plan, note):
    late = note("late", arguments={"seconds": 0.3, "fail": ["error"]})
    early = note("early", arguments={"fail": ["error"]})
    view = run_plan(make_plan(late, early, note("after", "late", "early")))
    assert view.steps[2].failure.message == "step `late` failed"


def test_a_skipped_step_satisfies_needs_but_a_skipped_gate_stays_closed(run_plan, make_plan, note, phases):
    view = run_plan(
        make_plan(
            note("off", guard="false"), note("on", "off"), note("gate", guard="false", gate=True), note("shut", "gate")
        )
    )
    assert phases(view) == {"off": "Skipped", "on": "Succeeded", "gate": "Skipped", "shut": "Omitted"}
    assert view.steps[3].failure.message == "gate `gate` was skipped, and a gate opens only on allow or approve"
    assert view.phase == "Failed"


def test_finals_run_in_order_after_everything_and_see_how_it_ended(run_plan, make_plan, note, marks, phases):
    def tell(step):
        node = note(step, outputs=VALUE)
        hole = Hole(at=["value"], cel="run.phase")
        template = Template(value=node.arguments.value | {"value": None}, holes=[hole])
        return type(node)(**{f: getattr(node, f) for f in node.__struct_fields__} | {"arguments": template})

    bad = note("bad", arguments={"seconds": 0.2, "fail": ["error"]})
    view = run_plan(make_plan(bad, note("ok"), finals=[tell("first"), tell("second")]))
    assert marks()[-4:] == ["began first 1", "ended first 1", "began second 1", "ended second 1"]
    assert [step.outputs for step in view.steps[2:]] == [{"value": "Failed"}] * 2
    assert view.phase == "Failed"


def test_a_failing_final_fails_the_run_and_the_next_one_still_runs(run_plan, make_plan, note, phases):
    finals = [note("bad", arguments={"fail": ["error"]}), note("next")]
    view = run_plan(make_plan(note("a"), finals=finals))
    assert phases(view) == {"a": "Succeeded", "bad": "Failed", "next": "Succeeded"}
    assert view.phase == "Failed"


def test_no_failing_final_is_passed_over_in_silence(run_plan, make_plan, note):
    finals = [note("tidy", arguments={"fail": ["error"]}), note("tell"), note("bye", arguments={"fail": ["denied"]})]
    failed = run_plan(make_plan(note("a", arguments={"fail": ["transient"]}), note("b", "a"), finals=finals))
    assert failed.failure.failure_class == "transient"
    assert failed.failure.message == (
        "step `a`: attempt 1 was told to fail; finally step `tidy`: attempt 1 was told to fail; "
        "finally step `bye`: attempt 1 was told to fail"
    )
    fine = run_plan(make_plan(note("a"), finals=finals[:1]))
    assert (fine.phase, fine.failure.message) == ("Failed", "finally step `tidy`: attempt 1 was told to fail")


def fan(items, limit=0):
    return FanOut(items=Template(value=items), name="one", item_schema={"type": "integer"}, max_parallel=limit)


def test_a_fan_out_keeps_its_own_limit_and_the_order_of_its_items(run_plan, make_plan, note, marks):
    many = note(
        "many", arguments={"seconds": 0.02, "value": 0}, fan_out=fan([3, 1, 2, 5, 4, 0], limit=2), outputs=VALUE
    )
    view = run_plan(make_plan(many), parallel=10)
    assert view.phase == "Succeeded"
    assert most_at_once(marks()) == 2
    assert [item.item for item in view.steps[0].items] == [0, 1, 2, 3, 4, 5]
    assert view.steps[0].attempts == 6


def test_the_engines_limit_holds_over_all_steps_and_runs(make_engine, go, make_plan, note, marks):
    async def main():
        async with make_engine(parallel=3) as engine:
            plan = make_plan(note("many", arguments={"seconds": 0.02}, fan_out=fan(list(range(8)))), note("other"))
            runs = [await engine.submit(plan, {}, submitter="ada", files={}) for _ in range(2)]
            return await asyncio.gather(*(engine.run(run) for run in runs))

    views = go(main())
    assert [view.phase for view in views] == ["Succeeded", "Succeeded"]
    assert most_at_once(marks()) == 3


def test_a_long_fan_out_does_not_starve_another_branch(run_plan, make_plan, note, marks):
    many = note("many", arguments={"seconds": 0.01}, fan_out=fan(list(range(20))))
    run_plan(make_plan(many, note("a"), note("b", "a")), parallel=2)
    assert marks().index("ended b 1") < marks().index("began many.8 1")


def test_all_items_run_when_one_fails_and_then_the_step_fails(run_plan, make_plan, note, phases):
    node = note("many", fan_out=fan([0, 1, 2, 3]), outputs=VALUE)
    template = Template(
        value=node.arguments.value | {"fail": None}, holes=[Hole(at=["fail"], cel="one == 1 ? ['error'] : []")]
    )
    node = type(node)(**{f: getattr(node, f) for f in node.__struct_fields__} | {"arguments": template})
    view = run_plan(make_plan(node, note("after", "many")))
    assert [item.phase for item in view.steps[0].items] == ["Succeeded", "Failed", "Succeeded", "Succeeded"]
    assert phases(view) == {"many": "Failed", "after": "Omitted"}


def test_an_empty_fan_out_succeeds_without_items(run_plan, make_plan, note, marks, phases):
    view = run_plan(make_plan(note("none", fan_out=fan([])), note("after", "none")))
    assert phases(view) == {"none": "Succeeded", "after": "Succeeded"}
    assert marks() == ["began after 1", "ended after 1"]


def test_a_skipped_fan_out_runs_no_item(run_plan, make_plan, note, marks, phases):
    view = run_plan(make_plan(note("none", fan_out=fan([1, 2]), guard="false"), note("after", "none")))
    assert phases(view) == {"none": "Skipped", "after": "Succeeded"}
    assert marks() == ["began after 1", "ended after 1"]


def test_values_reach_later_steps_and_the_runs_outputs(run_plan, make_plan, make_node, note):
    first = note(
        "first",
        arguments={"value": {"n": 41}},
        outputs={"value": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    )
    template = Template(
        value={"file": first.arguments.value["file"], "value": None},
        holes=[Hole(at=["value"], cel="steps.first.value.n + 1")],
    )
    second = type(first)(
        id="second", operator="note", arguments=template, needs=[Edge(step="first", kind="data")],
        outputs={"value": {"type": "integer"}}, timeout_ms=1000,
    )  # fmt: skip
    outputs = {
        "answer": Template(holes=[Hole(at=[], cel="steps.second.value")]),
        "text": Template(holes=[Hole(at=[], text=["n=", Cel(cel="steps.second.value")])]),
    }
    view = run_plan(
        make_plan(
            first, second, outputs=outputs, output_schemas={"answer": {"type": "integer"}, "text": {"type": "string"}}
        )
    )
    assert view.outputs == {"answer": 42, "text": "n=42"}


def test_a_thousand_steps_in_one_layer_run(run_plan, make_plan, make_node):
    nodes = [make_node(f"s{n}") for n in range(1000)]
    view = run_plan(make_plan(*nodes, make_node("last", *(node.id for node in nodes))))
    assert view.phase == "Succeeded"
    assert {step.phase for step in view.steps} == {"Succeeded"}
