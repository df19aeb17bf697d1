# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""A process may die at any moment: what is recorded never runs again, and the run comes out as if nothing had been."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from databases import engine_at, place_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Budget, FanOut, Hole, Node, Plan, Retry, Template, encode_plan, plan_digest
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.local import audit
from somagent.workflows.engines.local.reading import opened
from somagent.workflows.engines.local.writer import CRASH_POINTS
from somagent.workflows.engines.protocol import RunView

ELSEWHERE = ("claim.", "recover.", "signal.", "cancel.", "stop.")  # tested by themselves below
POINTS = [point for point in CRASH_POINTS if not point.startswith(ELSEWHERE)]
OFTEN = ("begin.", "record.", "end.", "open.", "start.")


class Ending(NamedTuple):
    """What must not depend on whether a process died."""

    phase: str
    failure: str
    outputs: dict[str, Any]
    steps: list[tuple[Any, ...]]


def ending(view: RunView) -> Ending:
    steps = [
        (one.id, one.item, one.phase, one.outputs, one.failure and one.failure.message, one.inner and ending(one.inner))
        for step in view.steps
        for one in (step, *step.items)
    ]
    return Ending(view.phase, view.failure.message if view.failure else "", view.outputs, steps)


def recorded(directory: Path, run: str) -> set[StepKey]:
    with opened(place_of(directory)) as rows:
        runs = [run, *(row.run.id for row in rows.runs(children=True) if row.run.parent is not None)]
        return {result.key for one in runs for result in rows.results(one)}


def begun(marks: Path) -> list[str]:
    lines = marks.read_text().splitlines() if marks.exists() else []
    return [line.split()[1] for line in lines if line.startswith("began")]


def names(keys: set[StepKey]) -> set[str]:
    return {key.step if key.item < 0 else f"{key.step}.{key.item}" for key in keys}


@pytest.fixture
def everything(make_plan, make_node, tmp_path) -> Plan:
    """A chain, a fan-out with a failed item, a capsule, a failure after retries, a skip, an omission, and a final."""

    def note(step, *needs, value=0, always="", tokens=0, more_tokens=0, **fields):
        arguments = {"file": str(tmp_path / "marks"), "value": value, "always": always}
        arguments |= {"tokens": tokens, "more_tokens": more_tokens}
        outputs = {"value": {"type": "integer"}}
        return make_node(step, *needs, operator="note", arguments=arguments, outputs=outputs, **fields)

    fan = FanOut(items=Template(value=[5, 6, 7]), name="n", item_schema={"type": "integer"}, max_parallel=2)
    fan = replace(fan, on_failure="collect")
    failing = Hole(at=["always"], cel="n == 6 ? 'error' : ''")
    spent = Hole(at=["value"], cel="run.spend.tokens")
    retry = Retry(attempts=3, failures=["transient"])

    def with_hole(node, hole):
        return replace(node, arguments=replace(node.arguments, holes=[hole]))

    inside = make_plan(
        note("c", value=1, tokens=1),
        note("d", "c", value=2, always="error"),
        finals=[note("e", value=3)],
        outputs={},
    )
    capsule = make_node("scan", "a", operator="capsule", capsule=plan_digest(inside), arguments={"use": "scan"})
    return make_plan(
        note("a", value=1, tokens=5),
        note("b", "a", value=2, more_tokens=1),
        with_hole(note("many", "a", value=3, tokens=2, fan_out=fan), failing),
        note("bad", "b", always="transient", retry=retry),
        note("off", "b", guard="false"),
        capsule,
        note("omitted", "bad"),
        note("last", "many", "off", value=4, more_tokens=1),
        finals=[with_hole(note("tell", value=9), spent)],
        budget=Budget(tokens=100),
        capsules={plan_digest(inside): inside},
    )


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_dies_at_a_crash_point_loses_nothing(trial, everything, tmp_path, point, count):
    plan = tmp_path / "plan.json"
    plan.write_bytes(encode_plan(everything))
    whole, cut, marks = tmp_path / "whole", tmp_path / "cut", tmp_path / "marks"
    undisturbed = trial(whole, plan)
    assert undisturbed["phase"] == "Failed"
    marks.unlink()
    first = trial(cut, plan, die_at=point, count=count)
    name = point.split(".")[0]
    if count > 1 and name in {"lease", "submit", "open", "spent", "child"}:
        assert first["phase"] == "Failed"  # it is reached once only
        return
    assert first["phase"] == "killed"
    engine = engine_at(cut)
    run = first["run"] or next(iter([run.id for run in engine.runs()]), None)
    before, repeats = (recorded(cut, run), len(begun(marks))) if run else (set(), 0)
    if run:
        assert engine.view(run).phase == "Pending" or name == "close"
    second = trial(cut, plan, run)
    assert second["phase"] == "Failed"
    assert ending(engine.view(second["run"])) == ending(engine_at(whole).view(undisturbed["run"]))
    assert names(before) & set(begun(marks)[repeats:]) == set()


@pytest.mark.parametrize("moment", ["before", "written", "committed"])
def test_a_process_that_dies_while_it_takes_over_loses_nothing(trial, everything, tmp_path, moment):
    plan = tmp_path / "plan.json"
    plan.write_bytes(encode_plan(everything))
    whole, cut, marks = tmp_path / "whole", tmp_path / "cut", tmp_path / "marks"
    undisturbed = trial(whole, plan)
    marks.unlink()
    first = trial(cut, plan, die_at="record.before", count=3)
    assert first["phase"] == "killed"
    engine = engine_at(cut)
    run = first["run"] or engine.runs()[0].id
    assert trial(cut, plan, run, die_at=f"recover.{moment}", count=1)["phase"] == "killed"
    before, repeats = recorded(cut, run), len(begun(marks))
    third = trial(cut, plan, run)
    assert third["phase"] == "Failed"
    assert ending(engine.view(run)) == ending(engine_at(whole).view(undisturbed["run"]))
    assert names(before) & set(begun(marks)[repeats:]) == set()


def test_what_was_spent_is_settled_once_reserved_or_not_whenever_the_process_dies(trial, everything, tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_bytes(encode_plan(everything))
    for point in ("reserve.committed", "record.written", "record.committed", "record.before", "end.committed"):
        for count in (1, 3):
            directory = tmp_path / f"{point}-{count}"
            first = trial(directory, plan, die_at=point, count=count)
            run = trial(directory, plan, first["run"])["run"]
            with opened(place_of(directory)) as rows:
                accounts = rows._ask(
                    "SELECT budget, reserved_tokens, spent_tokens FROM accounts ORDER BY spent_tokens DESC", ()
                )
                assert rows._ask("SELECT * FROM reservations", ()) == []
                told = rows.result(StepKey(run, "tell"))
            assert run == first["run"]
            assert accounts == [("run", 0, 12), ("run", 0, 1)]
            assert told.outputs == {"value": 12}


@pytest.mark.parametrize("moment", ["before", "written", "committed"])
@pytest.mark.parametrize(
    ("act", "phase_without", "phase_with"),
    [("signal", "Waiting", "Succeeded"), ("cancel", "Waiting", "Cancelled"), ("stop", "Waiting", "Waiting")],
)
def test_what_people_wrote_stands_from_its_commit_on(
    trial, make_plan, make_node, tmp_path, act, phase_without, phase_with, moment
):
    plan = tmp_path / "plan.json"
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 0.1})
    gate = make_node("gate", operator="ask", gate=True)
    plan.write_bytes(encode_plan(make_plan(gate) if act != "stop" else make_plan(gate, slow)))
    run = None if act == "stop" else trial(tmp_path / "data", plan)["run"]
    cut = trial(tmp_path / "data", plan, run, die_at=f"{act}.{moment}", count=1, act=act)
    assert cut["phase"] == "killed"
    view = engine_at(tmp_path / "data").view(cut["run"])
    assert view.held_by is None
    deeds = [json.decode(line)["kind"] for line in audit.lines(place_of(tmp_path / "data"))]
    written = {"signal": "decision", "cancel": "cancel"}.get(act)
    assert deeds == ["submit", *([written] if written and moment == "committed" else [])]
    assert not audit.check(place_of(tmp_path / "data")).fault
    after = trial(tmp_path / "data", plan, cut["run"])
    assert after["phase"] == (phase_with if moment == "committed" else phase_without)


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Nodes of a random graph with random fates; the last may be finals."""
    nodes: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 9))):
        needs = draw(st.sets(st.sampled_from([node["id"] for node in nodes]), max_size=3)) if nodes else set()
        nodes.append(
            {
                "id": f"s{number}",
                "needs": sorted(needs),
                "always": draw(st.sampled_from(["", "", "", "", "error", "transient"])),
                "guard": draw(st.sampled_from(["", "", "", "", "false"])),
                "gate": draw(st.sampled_from([False, False, True])),
                "items": draw(st.sampled_from([None, None, None, 0, 1, 4])),
                "limit": draw(st.integers(0, 2)),
                "seconds": draw(st.sampled_from([0, 0, 0.003])),
            }
        )
    return nodes


kills = st.lists(
    st.tuples(st.sampled_from([point for point in POINTS if point.startswith(OFTEN)]), st.integers(1, 12)),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=20,  # `make chaos` makes many, with real commands
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(described=plans(), finals=st.integers(0, 2), dying=kills)
def test_any_graph_ends_as_if_undisturbed_wherever_its_processes_die(
    trial, make_plan, make_node, described, finals, dying
):
    with tempfile.TemporaryDirectory() as folder:
        marks, plan, here = Path(folder, "marks"), Path(folder, "plan.json"), Path(folder)
        nodes = [built(make_node, marks, node) for node in described]
        wanted = make_plan(*nodes, finals=[final(make_node, marks, n) for n in range(finals)])
        plan.write_bytes(encode_plan(wanted))
        undisturbed = trial(here / "whole", plan)
        marks.unlink(missing_ok=True)
        run, done = None, 0
        for point, count in dying:
            answer = trial(here / "cut", plan, run, point, count)
            run = answer["run"] or next((known.id for known in engine_at(here / "cut").runs()), None)
            if run is not None:
                fresh = begun(marks)[done:]
                done += len(fresh)
        before = names(recorded(here / "cut", run)) if run else set()
        answer = trial(here / "cut", plan, run)
        assert set(begun(marks)[done:]) & before == set()
        assert ending(engine_at(here / "cut").view(answer["run"])) == ending(
            engine_at(here / "whole").view(undisturbed["run"])
        )


def built(make_node: Callable[..., Node], marks: Path, of: dict[str, Any]) -> Node:
    fan = None
    value: dict[str, Any] = {"file": str(marks), "value": 7, "seconds": of["seconds"], "always": of["always"]}
    holes: list[Hole] = []
    if of["items"] is not None:
        fan = FanOut(
            items=Template(value=list(range(of["items"]))),
            name="n",
            item_schema={"type": "integer"},
            max_parallel=of["limit"],
        )
        holes = [Hole(at=["value"], cel="n + 100")]
    node = make_node(
        of["id"],
        *of["needs"],
        operator="note",
        guard=of["guard"],
        gate=of["gate"],
        fan_out=fan,
        outputs={"value": {"type": "integer"}},
        retry=Retry(attempts=2, failures=["transient"]),
    )
    fields = {name: getattr(node, name) for name in node.__struct_fields__}
    return Node(**fields | {"arguments": Template(value=value, holes=holes)})


def final(make_node: Callable[..., Node], marks: Path, number: int) -> Node:
    return make_node(f"f{number}", operator="note", arguments={"file": str(marks)})
