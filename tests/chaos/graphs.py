"""Random capsules that use what an engine can get wrong, and what must come of each.

A place is a step, or an item of a fan-out, without the run: `/s1`, `/s2/0`, and `.s3/a` inside the capsule of step s3.
"""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEAD = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule"}
PEOPLE = ["ana", "bo", "cy"]

# `flock` and `sync` are the operator's lock and fsync; a killed engine leaves this script running.
SCRIPT = r"""
key=$SOMAGENT_IDEMPOTENCY_KEY
place=${key#"${key%%[./]*}"}
line() { printf '\n{"what": "%s", "key": "%s", "attempt": %s, "owner": %s, "at": %s%s}\n' \
    "$1" "$key" "$SOMAGENT_ATTEMPT" "$PPID" "$EPOCHREALTIME" "$2" >> "$MARKS"; sync "$MARKS"; }
exec 9> "$MARKS.${key//\//_}.lock"
flock --nonblock 9 || line clash ""
line begin ", \"inputs\": $INPUTS"
sleep "$SECONDS_AT_WORK"
value="$place#$RANDOM$RANDOM$RANDOM#"
line end ", \"value\": \"$value\""
echo "value=$value" >> "$SOMAGENT_OUTPUT"
"""


@dataclass
class Want:
    """What must come of a place that leaves marks."""

    phase: str = "Succeeded"
    needs: list[str] = field(default_factory=list)  # places whose values it reads, `/s2/*` for all items
    after: list[str] = field(default_factory=list)  # gates that must have opened
    attempts: int = 1
    backoff_s: float = 0.0
    tokens: int = 0
    final: int = 0  # its place among `finally`, from 1


@dataclass
class Gate:
    """A step at which people are asked."""

    users: list[str]
    count: int
    due_s: float | None = None  # then it opens by itself


@dataclass
class Graph:
    """A capsule, the files it uses, and what must come of it."""

    files: dict[str, Any]
    places: dict[str, Want] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)  # by the name people use, `s3/gate` inside a capsule
    capsules: list[str] = field(default_factory=list)  # steps that are one
    phase: str = "Succeeded"
    parallel: int = 4
    name: str = "graph"

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
        (folder / "graph.json").write_text(json.dumps(asdict(self)), encoding="utf-8")


def read(folder: Path) -> Graph:
    """The graph that was written there."""
    whole = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    whole["places"] = {place: Want(**want) for place, want in whole["places"].items()}
    whole["gates"] = {name: Gate(**gate) for name, gate in whole["gates"].items()}
    return Graph(**whole)


def marks_in(folder: Path) -> list[dict[str, Any]]:
    """The lines that the steps wrote, in their order, without those whose writer was killed in the middle."""
    marks, lines = folder / "marks", []
    for line in marks.read_text(encoding="utf-8").splitlines() if marks.exists() else []:
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


def draw_graph(draw: random.Random, marks: str, name: str = "graph") -> Graph:
    """A graph of 3 to 8 steps; its capsule has that name, and is `graph.capsule.yaml`."""
    graph = Graph(files={}, parallel=draw.choice([2, 3, 4, 6]), name=name)
    drawn = _Drawn(graph, draw, marks, where="/")
    for number in range(draw.randint(3, 8)):
        drawn.add(f"s{number}", inside=False)
    finals = {f"f{number}": drawn.mark(f"f{number}", [], final=number + 1) for number in range(draw.choice([0, 1, 2]))}
    spec: dict[str, Any] = {"steps": drawn.steps, "outputs": {"spent": "${{ run.spend.tokens }}"}}
    if drawn.capsule:
        spec["uses"] = {"capsules": {"inner": "./inner.capsule.yaml"}}
        graph.files["inner.capsule.yaml"] = _document("inner", drawn.capsule)
    if finals:
        spec["finally"] = finals
    if draw.random() < 0.7:
        spec["budget"] = {"tokens": "100k", "onExceed": draw.choice(["stop", "ask"])}
    if any(want.phase == "Failed" and "/" not in place[1:] for place, want in graph.places.items()):
        graph.phase = "Failed"
    graph.files["graph.capsule.yaml"] = _document(name, spec)
    return graph


def _document(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {**HEAD, "metadata": {"name": name}, "spec": spec}


class _Drawn:
    """The steps of one capsule while it is drawn."""

    def __init__(self, graph: Graph, draw: random.Random, marks: str, where: str) -> None:
        self.graph, self.draw, self.marks, self.where = graph, draw, marks, where
        self.steps: dict[str, Any] = {}
        self.capsule: dict[str, Any] | None = None
        self._reads: dict[str, tuple[str, list[str]]] = {}  # how a step is read, and the places behind it
        self._gates: list[str] = []
        self._large: set[str] = set()

    def add(self, step: str, *, inside: bool) -> None:
        draw = self.draw
        needs = draw.sample(sorted(self._reads), min(len(self._reads), draw.choice([0, 1, 1, 2, 3])))
        kinds = {"mark": 56, "script": 6, "fan": 18, "gate": 10, "always": 4, "capsule": 8}
        if inside:
            kinds |= {"always": 0, "capsule": 0}
        if self.capsule is not None:
            kinds["capsule"] = 0
        match draw.choices(list(kinds), list(kinds.values()))[0]:
            case "fan":
                self._fan(step, needs)
            case "gate" if len(self._gates) < 2:
                self._gate(step, needs)
            case "capsule":
                self._sub_capsule(step, needs)
            case "script":
                self._script(step, needs)
            case "always":
                self.steps[step] = self.mark(step, needs, always=True)
            case _:
                self.steps[step] = self.mark(step, needs)
                self._reads[step] = (f"steps.{step}.value", [self.where + step])

    def mark(self, step: str, needs: list[str], *, final: int = 0, always: bool = False, item: bool = False) -> Any:
        draw = self.draw
        given: dict[str, Any] = {"marks": self.marks, "seconds": draw.choice([0, 0.001, 0.003, 0.008])}
        given["inputs"] = [f"${{{{ {self._reads[need][0]} }}}}" for need in needs]
        given["tokens"] = 0 if always or item else draw.choice([0, 0, 10])
        made: dict[str, Any] = {"operator": {"name": "mark", "with": given}}
        want = Want(needs=[place for need in needs for place in self._reads[need][1]], final=final)
        want.tokens = given["tokens"]
        fate = "always" if always else draw.choices(["well", "fail", "invalid", "large"], [70, 16, 8, 6])[0]
        if fate in {"fail", "invalid", "always"}:
            times = draw.choice([1, 1, 2])
            given[fate] = True if fate == "always" else times
            want.attempts = times + 1
            want.backoff_s = draw.choice([0.02, 0.06, 0.15, 0.6])
            made["retry"] = {"attempts": want.attempts, "backoff": f"{round(want.backoff_s * 1000)}ms"}
            made["retry"]["failures"] = ["transient", "invalid_output"]
            want.phase = "Failed" if always else "Succeeded"
        elif fate == "large":
            given["padding"] = 70_000  # more than a record holds: it is stored as a file
            self._large.add(step)
        if self._gates and draw.random() < 0.6 and not final:
            want.after = [self._gates[-1]]
            made["needs"] = [self._gates[-1].rpartition("/")[2]]
        self.graph.places[self.where + step] = want
        return made

    def _fan(self, step: str, needs: list[str]) -> None:
        draw, where = self.draw, self.where + step
        items, collects = draw.choice([0, 1, 2, 3, 5]), draw.random() < 0.4
        made = self.mark(step, needs, item=True)
        want = self.graph.places.pop(where)
        given = made["operator"]["with"]
        made["forEach"] = f"${{{{ [{', '.join(map(str, range(items)))}] }}}}"
        if not items:
            made["forEach"] = "${{ [1].filter(i, i > 1) }}"
        made["maxParallel"] = draw.randint(1, 3)
        for number in range(items):
            self.graph.places[f"{where}/{number}"] = Want(**asdict(want))
        read = f"steps.{step}.map(i, i.value)"
        if collects:
            made["onItemFailure"] = "collect"
            read = f"steps.{step}.filter(i, has(i.value)).map(i, i.value)"
            if items > 1:
                given["always"] = "${{ item == 1 }}"
                made["retry"] = {"attempts": 2, "backoff": "20ms", "failures": ["transient", "invalid_output"]}
                given.pop("fail", None)
                given.pop("invalid", None)
                for number in range(items):
                    place = self.graph.places[f"{where}/{number}"]
                    place.attempts, place.backoff_s = 2, 0.02
                self.graph.places[f"{where}/1"].phase = "Failed"
        self.steps[step] = made
        self._reads[step] = (read, [f"{where}/*"])

    def _gate(self, step: str, needs: list[str]) -> None:
        draw = self.draw
        name = step if self.where == "/" else f"{self.where.strip('./')}/{step}"
        due = draw.choice([None, None, 0.3])
        gate = self.graph.gates[name] = Gate(users=PEOPLE, count=draw.choice([1, 2, 2]), due_s=due)
        review: dict[str, Any] = {"title": "May it go on", "reviewers": {"users": gate.users, "count": gate.count}}
        if due:
            review |= {"due": f"{round(due * 1000)}ms", "onTimeout": "approve"}
        self.steps[step] = {"review": review}
        if needs:
            self.steps[step]["needs"] = needs
        self._gates.append(name)

    def _script(self, step: str, needs: list[str]) -> None:
        seconds = str(self.draw.choice([0.001, 0.05]))
        needs = [need for need in needs if need not in self._large]  # they do not fit into the environment
        inputs = ", ".join(self._reads[need][0] for need in needs)
        env = {"MARKS": self.marks, "SECONDS_AT_WORK": seconds, "INPUTS": f"${{{{ [{inputs}] }}}}" if needs else "[]"}
        self.steps[step] = {"script": {"run": SCRIPT, "env": env}, "outputs": {"value": {"type": "string"}}}
        places = [place for need in needs for place in self._reads[need][1]]
        self.graph.places[self.where + step] = Want(needs=places)
        self._reads[step] = (f"steps.{step}.value", [self.where + step])

    def _sub_capsule(self, step: str, needs: list[str]) -> None:
        inner = _Drawn(self.graph, self.draw, self.marks, where=f".{step}/")
        for name in "abc"[: self.draw.randint(1, 3)]:
            inner.add(name, inside=True)
        inner.steps["last"] = inner.mark("last", [])
        self.graph.capsules.append(step)
        self.capsule = {"steps": inner.steps, "outputs": {"value": "${{ steps.last.value }}"}}
        self.steps[step] = {"capsule": {"use": "inner"}}
        if needs:
            self.steps[step]["needs"] = needs
        self._reads[step] = (f"steps.{step}.value", [f".{step}/last"])
