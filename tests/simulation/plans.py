"""Random plans, and what must come of each. (The kill campaign draws capsules as people write them, and compiles them.)

A place is a step, or an item of a fan-out, without the run: `/s1`, `/s2/0`, and `.s3/a` inside the capsule of step s3.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from somagent.capsule_compiler.plan import (
    Budget,
    CapsuleInfo,
    Edge,
    FanOut,
    Hole,
    Node,
    Plan,
    Retry,
    RuleBook,
    Template,
    digest_of,
    plan_digest,
)
from somagent.governance.constitution import default_constitution
from somagent.operators.review.arguments import OUTPUTS
from somagent.workflows.engines.slots import Limit, Limits

PEOPLE = ["ana", "bo", "cy"]
VALUE = {"value": {"type": "string"}}
AGAIN = ["transient", "rate_limit", "timeout", "invalid_output"]  # failures that are worth another attempt
GOOD = ("Succeeded", "Skipped")


@dataclass
class Want:
    """What must come of a place, and how its work goes."""

    phase: str = "Succeeded"
    operator: str = "work"
    reads: list[str] = field(default_factory=list)  # places whose values it gets, `/s2/*` for all items
    needs: list[str] = field(default_factory=list)  # places that must have ended
    gates: list[str] = field(default_factory=list)  # that must have opened
    fails: list[str] = field(default_factory=list)  # what its first tries come to
    always: str = ""  # what every try comes to
    attempts: int = 1
    backoff_us: int = 0
    timeout_us: int = 60_000_000
    lasts_us: int = 0
    tokens: int = 0
    final: int = 0  # its place among `finally`, from 1
    at_once: int = 0  # of a fan-out's items


@dataclass
class Gate:
    """A step at which people are asked; `answer` is what they say, or nobody does until it is due."""

    place: str
    count: int
    answer: str  # approve, reject, or "" when it is left to the date
    due_us: int | None
    opens: bool


@dataclass
class Drawn:
    """A plan, and what must come of it."""

    plan: Plan
    places: dict[str, Want]
    gates: dict[str, Gate]
    capsules: dict[str, str]  # phase of each step that is a capsule
    phase: str
    parallel: int
    limits: Limits


def draw_plan(draw: random.Random, *, hasty: bool) -> Drawn:
    """A plan of 2 to 7 steps. Only with `hasty` has any of them less than a minute."""
    top = _Steps(draw, "/", AGAIN if hasty else [one for one in AGAIN if one != "timeout"])
    for number in range(draw.randint(2, 7)):
        top.add(f"s{number}")
    finals = [top.work(f"f{number}", final=number + 1) for number in range(draw.choice([0, 0, 1, 2]))]
    spent = {"spent": Template(holes=[Hole(at=[], cel="run.spend.tokens")])}
    budget = Budget(tokens=100_000, on_exceed=draw.choice(["stop", "ask"])) if draw.random() < 0.4 else None
    plan = _plan("graph", top.nodes, finals=finals, outputs=spent, capsules=top.plans, budget=budget)
    ended = [want.phase for place, want in top.places.items() if "/" not in place[1:] and place.startswith("/")]
    ended += [*top.phases.values()]
    phase = "Succeeded" if all(one in GOOD for one in ended) else "Failed"
    resources = {}
    if draw.random() < 0.3:
        resources["operators.heavy"] = Limit(at_once=draw.randint(1, 2))
    if draw.random() < 0.15:
        resources["operators.work"] = Limit(per_minute=draw.choice([60, 240]))
    return Drawn(plan, top.places, top.gates, top.capsules, phase, draw.choice([1, 2, 3, 4, 6]), Limits(resources))


@cache
def _rules() -> RuleBook:
    default = default_constitution()
    return RuleBook(name=default.name, version=default.version, digest=default.digest, document=dict(default.document))


def _plan(name: str, nodes: list[Node], **fields: Any) -> Plan:
    info = CapsuleInfo(name=name)
    return Plan(
        format="plan/v1", capsule=info, constitution=_rules(), nodes=nodes, catalogue=digest_of(b"none"), **fields
    )


class _Steps:
    """The steps of one capsule while it is drawn."""

    def __init__(self, draw: random.Random, where: str, failures: list[str]) -> None:
        self.draw, self.where, self.failures = draw, where, failures
        self.nodes: list[Node] = []
        self.places: dict[str, Want] = {}
        self.gates: dict[str, Gate] = {}
        self.capsules: dict[str, str] = {}
        self.plans: dict[str, Plan] = {}
        self.phases: dict[str, str] = {}  # of each step
        self._reads: dict[str, tuple[str, str]] = {}  # how a step is read, and the places behind it
        self._open: dict[str, list[str]] = {}  # gates that are open when the step begins

    def add(self, step: str) -> None:
        kinds = {"work": 56, "fan": 18, "gate": 10, "skip": 5, "refuse": 3, "capsule": 8}
        if self.where != "/" or self.plans:
            kinds["capsule"] = 0
        match self.draw.choices(list(kinds), list(kinds.values()))[0]:
            case "gate" if len(self.gates) < 2:
                self._gate(step)
            case "fan":
                self._fan(step)
            case "capsule":
                self._capsule(step)
            case "skip":
                self._skip(step)
            case "refuse":
                self._keep(self.work(step, require="1 == 2"), "Failed")
            case _:
                self._keep(self.work(step))

    def work(self, step: str, *, final: int = 0, require: str = "") -> Node:
        """A step that works, its place too; what it reads and waits for is drawn."""
        draw = self.draw
        reads = [] if final else draw.sample(sorted(self._reads), min(len(self._reads), draw.choice([0, 1, 1, 2])))
        order = [] if final else draw.sample(sorted(self.phases), min(len(self.phases), draw.choice([0, 0, 0, 1])))
        want = Want(final=final, operator=draw.choice(["work", "work", "heavy"]))
        want.reads = [self._reads[one][1] for one in reads]
        want.tokens = draw.choice([0, 0, 10])
        want.lasts_us = draw.choice([0, 0, 1_000, 20_000, 20_000, 130_000, 400_000])
        want.attempts = draw.choice([1, 1, 2, 3])
        want.backoff_us = draw.choice([0, 10_000, 80_000, 300_000, 1_000_000])
        if draw.random() < 0.3 and "timeout" in self.failures:
            want.timeout_us = draw.choice([450_000, 700_000])
        fate = draw.random()
        if fate < 0.08:
            want.always, want.phase = draw.choice([*self.failures, "error"]), "Failed"
        elif fate < 0.4:
            want.fails = [draw.choice(self.failures) for _ in range(draw.randint(0, want.attempts - 1))]
        if "timeout" in (*want.fails, want.always) and want.timeout_us > 1_000_000:
            want.timeout_us = 700_000
        if require:
            want.always, want.fails, want.phase = "", [], "Failed"
        self.places[self.where + step] = want
        needs = list(dict.fromkeys([*reads, *order]))
        self._after(step, want, needs)
        holes = [Hole(at=["inputs", at], cel=self._reads[one][0]) for at, one in enumerate(reads)]
        return Node(
            id=step,
            operator=want.operator,
            arguments=Template(value={"inputs": [None] * len(holes), "tokens": want.tokens}, holes=holes),
            needs=[Edge(step=one, kind="data" if one in reads else "order") for one in needs],
            require=require,
            outputs=VALUE,
            retry=Retry(attempts=want.attempts, backoff_ms=want.backoff_us // 1000, failures=AGAIN),
            timeout_ms=want.timeout_us // 1000,
        )

    def _after(self, step: str, want: Want, needs: list[str]) -> None:
        """What follows from the steps that it needs."""
        self._open[step] = list(dict.fromkeys(gate for need in needs for gate in self._open[need]))
        want.gates = self._open[step]
        want.needs = [self.where + need for need in needs]
        if any(self.phases[need] not in GOOD for need in needs):
            want.phase = "Omitted"

    def _keep(self, node: Node, phase: str = "") -> None:
        want = self.places[self.where + node.id]
        self.phases[node.id] = want.phase
        if want.phase == "Succeeded":
            self._reads[node.id] = (f"steps.{node.id}.value", self.where + node.id)
        self.nodes.append(node)

    def _skip(self, step: str) -> None:
        node = self.work(step)
        want = self.places[self.where + step]
        want.phase = "Omitted" if want.phase == "Omitted" else "Skipped"
        self._keep(_changed(node, guard="1 == 2"))

    def _fan(self, step: str) -> None:
        draw, where = self.draw, self.where + step
        node, count, collects = self.work(step), draw.choice([0, 1, 2, 3, 5]), draw.random() < 0.4
        whole = self.places.pop(where)
        whole.at_once = draw.randint(0, 3)
        phase = whole.phase if whole.phase == "Omitted" else "Succeeded"
        if phase == "Succeeded":
            whole.phase = "Succeeded"
            bad = draw.randrange(count) if count and whole.always else -1
            for number in range(count):
                one = self.places[f"{where}/{number}"] = replace(whole, always="")
                if number == bad:
                    one.always, one.phase, one.fails = whole.always, "Failed", []
            if bad >= 0 and not collects:
                phase = "Failed"
        items = Template(value=list(range(count)))
        fan = FanOut(items=items, name="item", item_schema={"type": "integer"}, max_parallel=whole.at_once)
        fan = _changed(fan, on_failure="collect" if collects else "fail")
        self.phases[step] = phase
        self.nodes.append(_changed(node, fan_out=fan))
        if phase == "Succeeded":
            read = (
                f"steps.{step}.filter(i, has(i.value)).map(i, i.value)" if collects else f"steps.{step}.map(i, i.value)"
            )
            self._reads[step] = (read, f"{where}/*")
        if phase == "Omitted":
            self.places[where] = whole

    def _gate(self, step: str) -> None:
        draw, where = self.draw, self.where + step
        needs = draw.sample(sorted(self.phases), min(len(self.phases), draw.choice([0, 1, 1])))
        answer = draw.choice(["approve", "approve", "approve", "reject", ""])
        due = None if answer else draw.choice([100_000, 800_000])
        on_timeout = draw.choice(["approve", "approve", "reject"])
        opens = answer == "approve" or (not answer and on_timeout == "approve")
        gate = Gate(where, draw.choice([1, 2, 2]), answer, due, opens)
        want = Want(operator="review", phase="Succeeded" if opens else "Failed")
        self._after(step, want, needs)
        self.places[where] = want
        self.phases[step] = want.phase
        if want.phase != "Omitted":
            self.gates[where] = gate
        if want.phase == "Succeeded":
            self._open[step] = [*self._open[step], where]
        asked: dict[str, Any] = {"title": "May it go on", "reviewers": {"users": PEOPLE, "count": gate.count}}
        if due is not None:
            asked |= {"due": f"{due // 1000}ms", "onTimeout": on_timeout}
        edges = [Edge(step=one, kind="order") for one in needs]
        fields = {"outputs": OUTPUTS, "gate": True, "timeout_ms": 60_000}
        self.nodes.append(Node(id=step, operator="review", arguments=Template(value=asked), needs=edges, **fields))

    def _capsule(self, step: str) -> None:
        draw = self.draw
        inner = _Steps(draw, f".{step}/", self.failures)
        for name in "abc"[: draw.randint(1, 3)]:
            inner.add(name)
        last = inner.work("last")
        whole = inner.places[f".{step}/last"]
        whole.always, whole.phase = "", "Omitted" if whole.phase == "Omitted" else "Succeeded"
        inner._keep(last)
        outputs = {"value": Template(holes=[Hole(at=[], cel="steps.last.value")])}
        plan = _plan("inner", inner.nodes, outputs=outputs, output_schemas={"value": {"type": "string"}})
        digest = plan_digest(plan)
        self.plans[digest] = plan
        needs = draw.sample(sorted(self.phases), min(len(self.phases), draw.choice([0, 1, 1])))
        want = Want()
        self._after(step, want, needs)
        good = all(phase in GOOD for phase in inner.phases.values())
        phase = want.phase if want.phase == "Omitted" else "Succeeded" if good else "Failed"
        self.phases[step] = self.capsules[step] = phase
        if phase != "Omitted":
            for place, one in inner.places.items():
                one.gates = [*one.gates, *want.gates]
                self.places[place] = one
            self.gates |= inner.gates
            if phase == "Succeeded":
                self._reads[step] = (f"steps.{step}.value", f".{step}/last")
        node = Node(
            id=step,
            operator="capsule",
            arguments=Template(value={"use": "inner"}),
            needs=[Edge(step=one, kind="order") for one in needs],
            outputs=VALUE,
            timeout_ms=600_000,
            capsule=digest,
        )
        self.nodes.append(node)


def _changed(part: Any, **fields: Any) -> Any:
    from msgspec.structs import replace as changed

    return changed(part, **fields)
