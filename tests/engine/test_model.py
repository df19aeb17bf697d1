"""The local engine against a reference model: any graph, whatever people do to it, wherever its processes die.

`pytest tests/engine/test_model.py --hypothesis-profile campaign` plays many times as many lives of runs.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from databases import engine_at
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace
from run_model import Ending, Model, Shape

from somagent.capsule_compiler.plan import FanOut, Hole, Node, Plan, Retry, Template, encode_plan
from somagent.operators.runner.records import Attempt, Decision
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.writer import CRASH_POINTS
from somagent.workflows.engines.protocol import RunView, StepView

INTEGER = {"type": "integer"}
OFTEN = ("begin.", "record.", "end.", "open.", "start.", "close.")
POINTS = [point for point in CRASH_POINTS if point.startswith(OFTEN)]
NAMES = "abcdefgh"
_CAMPAIGN = settings.get_current_profile_name() == "campaign"
LIVES = settings(
    max_examples=300 if _CAMPAIGN else 12,
    stateful_step_count=12 if _CAMPAIGN else 6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@st.composite
def graphs(draw: Callable[..., Any]) -> tuple[Shape, ...]:
    """Steps, each after those that it needs."""
    shapes: list[Shape] = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        before = [shape.name for shape in shapes]
        numbers = [shape.name for shape in shapes if shape.kind == "work"]
        reads = draw(st.lists(st.sampled_from(numbers), unique=True, max_size=2)) if numbers else []
        guard = draw(st.sampled_from(["", *numbers]))
        needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
        shapes.append(
            Shape(
                name,
                kind=draw(st.sampled_from(["work", "work", "work", "gate", "fan"])),
                needs=tuple(dict.fromkeys([*needs, *reads, *([guard] if guard else [])])),
                reads=tuple(reads),
                guard=guard,
                add=draw(st.integers(0, 3)),
                failing=draw(st.sampled_from([0, 0, 0, 1, 2])),
                attempts=draw(st.integers(1, 3)),
                items=tuple(draw(st.lists(st.sampled_from([0, 0, 1, 2]), max_size=3))),
                collect=draw(st.booleans()),
            )
        )
    return tuple(shapes)


finals = st.sampled_from([(), (Shape("y", add=1),), (Shape("y", failing=1), Shape("z", add=2, failing=1, attempts=2))])


class Life(RuleBasedStateMachine):
    """Runs of one plan, each going on from the one before; every process that works on them is a real one."""

    def __init__(self, trial: Callable[..., dict[str, Any]], build: Callable[..., Plan]) -> None:
        super().__init__()
        self.trial, self.build = trial, build
        self.folder = Path(tempfile.mkdtemp())
        self.marks, self.plan = self.folder / "marks", self.folder / "plan.json"
        self.engine = engine_at(self.folder / "data")
        self.run = ""
        self.recorded: set[str] = set()  # steps and items that must not begin any more

    @initialize(shapes=graphs(), last=finals)
    def submit(self, shapes: tuple[Shape, ...], last: tuple[Shape, ...]) -> None:
        self.model = Model(shapes, last)
        plan = self.build(self.marks, shapes, last)
        self.plan.write_bytes(encode_plan(plan))
        self.run = asyncio.run(self.written(lambda engine: engine.submit(plan, {}, submitter="ada", files={})))

    @rule()
    def go_on(self) -> None:
        self.work()

    @rule(point=st.sampled_from(POINTS), count=st.integers(1, 10))
    def die(self, point: str, count: int) -> None:
        self.work(point, count)

    @precondition(lambda self: self.open_gates() and not self.model.cancelled)  # after that it is refused
    @rule(approve=st.sampled_from([True, True, False]), which=st.integers(0, 7))
    def decide(self, approve: bool, which: int) -> None:
        gates = self.open_gates()
        gate = gates[which % len(gates)]
        decision = Decision(step=gate, by="bob", approve=approve, at=datetime.now(UTC))
        asyncio.run(self.written(lambda engine: engine.signal(self.run, decision)))
        self.model.decided[gate] = approve

    @precondition(lambda self: self.view().ended_at is None)
    @rule()
    def cancel(self) -> None:
        asyncio.run(self.written(lambda engine: engine.cancel(self.run, by="bob")))
        self.model.cancel()

    @precondition(lambda self: self.view().ended_at is not None)
    @rule(which=st.integers(0, 7))
    def retry(self, which: int) -> None:
        step = self.model.steps[which % len(self.model.steps)].name
        self.run = asyncio.run(self.written(lambda engine: engine.retry_from(self.run, step)))
        self.model = self.model.retry(step)
        self.recorded = set(self.model.ended)

    def teardown(self) -> None:
        if self.run:
            self.work()
        shutil.rmtree(self.folder)

    async def written(self, call: Callable[[LocalEngine], Any]) -> Any:
        async with engine_at(self.folder / "data") as engine:
            return await call(engine)

    def view(self) -> RunView:
        return self.engine.view(self.run)

    def open_gates(self) -> list[str]:
        waiting = [step.id for step in self.view().steps if step.phase == "Waiting"]
        return [step for step in waiting if step not in self.model.decided]

    def work(self, die_at: str = "", count: int = 0) -> None:
        """A process goes on with the run; what came of it is held against the model."""
        begun = len(self.began())
        answer = self.trial(self.folder / "data", self.plan, self.run, die_at, count)
        assert not self.recorded & set(self.began()[begun:]), "what was recorded began again"
        view = self.view()
        steps = {step.id: step for step in view.steps}
        self.model.cut = {(one.id, one.item): cut for step in view.steps for one in _parts(step) if (cut := _cut(one))}
        if answer["phase"] == "killed" and view.ended_at is None:
            self.died(steps)
        else:
            self.model.go()
            assert view.phase == self.model.phase
            assert steps.keys() - self.model.ended.keys() == {
                step.id for step in view.steps if step.phase in {"Pending", "Waiting"}
            }
            assert {step.id for step in view.steps if step.phase == "Waiting"} == self.model.waiting
            if view.phase == "Succeeded":
                numbers = [self.model.number(shape.name) for shape in self.model.steps if shape.kind == "work"]
                assert view.outputs == {"n": sum(numbers)}
            for name, ending in self.model.ended.items():
                compare(name, ending, steps[name])
        self.recorded |= _recorded(view)

    def died(self, steps: dict[str, StepView]) -> None:
        """What was recorded is what would have come of it; from there the model goes on."""
        foretold = self.model.foretold().ended
        for step in steps.values():
            if step.ended_at is not None:
                compare(step.id, foretold[step.id], step)
                self.model.ended[step.id] = foretold[step.id]
            elif step.phase == "Waiting" and step.waiting is not None:
                self.model.asked.add(step.id)
            elif step.items:
                if any(item.history or item.ended_at is not None for item in step.items):
                    self.model.touched.add(step.id)
                ended = {item.item for item in step.items if item.ended_at is not None}
                for item in ended:
                    compare(step.id, foretold[step.id].items[item], step.items[item])
                self.model.begun_items[step.id] = {item: foretold[step.id].items[item] for item in ended}

    def began(self) -> list[str]:
        lines = self.marks.read_text().splitlines() if self.marks.exists() else []
        return [line.split()[1] for line in lines if line.startswith("began")]


def compare(name: str, wanted: Ending, found: StepView) -> None:
    """Raises `AssertionError` where a step or item did not end as the model has it."""
    assert (name, found.phase) == (name, wanted.phase)
    assert (name, found.outputs.get("value")) == (name, wanted.number)
    endings = tuple(_ending(one) for one in found.history)
    if wanted.attempts is not None and "waiting" in wanted.attempts:
        endings = tuple(one for one in endings if one != "cut_off")
    assert wanted.attempts is None or (name, endings) == (name, wanted.attempts)
    if wanted.items:
        assert len(found.items) == len(wanted.items)
        for item, other in zip(wanted.items, found.items, strict=True):
            compare(f"{name}.{other.item}", item, other)


def _parts(step: StepView) -> list[StepView]:
    return [step, *step.items]


def _cut(step: StepView) -> frozenset[int]:
    return frozenset(one.number for one in step.history if one.ended_at is None or _ending(one) == "cut_off")


def _ending(attempt: Attempt) -> str:
    if attempt.failure is not None:
        return attempt.failure.failure_class
    return "waiting" if attempt.waiting is not None else "ok" if attempt.phase == "Succeeded" else attempt.phase


def _recorded(view: RunView) -> set[str]:
    parts = [one for step in view.steps for one in _parts(step) if one.ended_at is not None]
    return {one.id if one.item < 0 else f"{one.id}.{one.item}" for one in parts}


def _number(name: str) -> str:
    return f"(has(steps.{name}.value) ? steps.{name}.value : 0)"


def _node(make_node: Callable[..., Node], marks: Path, shape: Shape) -> Node:
    if shape.kind == "gate":
        node = make_node(shape.name, *shape.needs, operator="ask", gate=True)
        return replace(node, guard=f"{_number(shape.guard)} % 2 == 0" if shape.guard else "")
    fail = ["transient"] * shape.failing
    holes = [Hole(at=["value"], cel=" + ".join([str(shape.add), *map(_number, shape.reads)]))]
    fan = None
    if shape.kind == "fan":
        fan = FanOut(items=Template(value=list(shape.items)), name="n", item_schema=INTEGER, max_parallel=2)
        fan = replace(fan, on_failure="collect" if shape.collect else "fail")
        holes.append(Hole(at=["fail"], cel="n == 0 ? [] : n == 1 ? ['transient'] : ['transient', 'transient']"))
    node = make_node(
        shape.name,
        *shape.needs,
        operator="note",
        outputs={"value": INTEGER},
        retry=Retry(attempts=shape.attempts, backoff_ms=1, failures=["transient"]),
        fan_out=fan,
        guard=f"{_number(shape.guard)} % 2 == 0" if shape.guard else "",
    )
    return replace(node, arguments=Template(value={"file": str(marks), "value": 0, "fail": fail}, holes=holes))


def test_any_run_comes_out_as_the_model_says(trial, make_plan, make_node):
    def build(marks: Path, shapes: tuple[Shape, ...], last: tuple[Shape, ...]) -> Plan:
        numbers = [_number(shape.name) for shape in shapes if shape.kind == "work"]
        return make_plan(
            *(_node(make_node, marks, shape) for shape in shapes),
            finals=[_node(make_node, marks, shape) for shape in last],
            outputs={"n": Template(holes=[Hole(at=[], cel=" + ".join(["0", *numbers]))])},
            output_schemas={"n": INTEGER},
        )

    run_state_machine_as_test(lambda: Life(trial, build), settings=LIVES)
