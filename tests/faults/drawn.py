"""Random capsules for pods, and what must come of each place whatever happens to the cluster.

A place is a step, or an item of a fan-out, without the run: `/s1`, `/s2/0`, and `.s3/a` inside the capsule of step s3.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener import SCRIPT

PEOPLE = ["ana", "bo"]
_ATTEMPTS = 3
_RETRY = {"attempts": _ATTEMPTS, "backoff": "500ms"}
_VALUE = {"value": {"type": "string"}}


@dataclass
class Want:
    """What must come of a place."""

    phase: str = "Succeeded"
    needs: list[str] = field(default_factory=list)  # places whose values it reads, `/s2/*` for all items
    after: list[str] = field(default_factory=list)  # gates that must have opened
    failures: int = 0  # attempts that are to fail; -1: all
    final: bool = False


@dataclass
class Drawn:
    """A capsule and what must come of it."""

    judge: str  # host and port of the listener
    draw: random.Random
    steps: dict[str, Any] = field(default_factory=dict)
    finals: dict[str, Any] = field(default_factory=dict)
    inner: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Want] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)  # how many people must agree
    phase: str = "Succeeded"
    _reads: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """The capsule's file."""
        spec: dict[str, Any] = {"steps": self.steps, "finally": self.finals}
        if self.inner:
            spec["uses"] = {"capsules": {"inner": "./inner.capsule.yaml"}}
            within = {"steps": self.inner, "outputs": {"value": "${{ steps.b.value }}"}}
            (folder / "inner.capsule.yaml").write_text(_document("inner", within), encoding="utf-8")
        path = folder / "drawn.capsule.yaml"
        path.write_text(_document("drawn", spec), encoding="utf-8")
        return path

    def failures(self, run: str) -> dict[str, int]:
        """How often the attempts of each key are to fail."""
        return {f"{run}{place}": want.failures for place, want in self.places.items() if want.failures}

    def add(self, name: str) -> None:
        draw = self.draw
        needs = draw.sample(sorted(self._reads), min(len(self._reads), draw.choice([0, 1, 1, 2])))
        kinds = {"script": 50, "fan": 20, "gate": 12, "capsule": 12, "fails": 6}
        if self.inner:
            kinds["capsule"] = 0
        match draw.choices(list(kinds), list(kinds.values()))[0]:
            case "fan":
                items = draw.choice([2, 3, 4])
                each = {"forEach": f"${{{{ {list(range(items))} }}}}", "maxParallel": draw.choice([2, 4])}
                self.steps[name] = self._script(needs) | each
                for item in range(items):
                    self.places[f"/{name}/{item}"] = Want(needs=self._behind(needs), failures=draw.choice([0, 0, 0, 1]))
                self._reads[name] = (f"steps.{name}.map(i, i.value)", [f"/{name}/*"])
            case "gate":
                self.gates[name] = draw.choice([1, 2])
                reviewers = {"users": PEOPLE, "count": self.gates[name]}
                self.steps[name] = {"needs": needs, "review": {"title": "May it go on", "reviewers": reviewers}}
            case "capsule":
                self.inner = {"a": self._script([]), "b": self._script([]) | {"needs": ["a"]}}
                self.places |= {f".{name}/a": Want(failures=draw.choice([0, 1])), f".{name}/b": Want()}
                self.steps[name] = {"needs": needs, "capsule": {"use": "inner"}}
                self._reads[name] = (f"steps.{name}.value", [f".{name}/b"])
            case "fails":
                self.steps[name] = self._script(needs)
                self.places[f"/{name}"] = Want("Failed", self._behind(needs), failures=-1)
                self.phase = "Failed"
            case _:
                self.steps[name] = self._script(needs)
                want = Want(needs=self._behind(needs), failures=draw.choice([0, 0, 0, 1, 2]))
                if self.gates and draw.random() < 0.6:
                    want.after = [next(reversed(self.gates))]
                    self.steps[name]["needs"] = want.after
                self.places[f"/{name}"] = want
                self._reads[name] = (f"steps.{name}.value", [f"/{name}"])

    def end(self) -> None:
        """With what runs at the end, whatever became of the rest."""
        self.finals["tidy"] = self._script([])
        self.places["/tidy"] = Want(final=True)

    def _behind(self, needs: list[str]) -> list[str]:
        return [place for need in needs for place in self._reads[need][1]]

    def _script(self, needs: list[str]) -> dict[str, Any]:
        inputs = f"${{{{ [{', '.join(self._reads[need][0] for need in needs)}] }}}}" if needs else "[]"
        seconds = str(self.draw.choice([0.1, 0.5, 2, 5]))
        env = {"JUDGE": self.judge, "SECONDS_AT_WORK": seconds, "INPUTS": inputs}
        script: dict[str, Any] = {"run": SCRIPT, "env": env}
        if self.draw.random() < 0.5:  # a pod of its own
            script["resources"] = {"memory": "160Mi"}
        return {"script": script, "outputs": _VALUE, "retry": _RETRY}


def draw_capsule(draw: random.Random, judge: str) -> Drawn:
    """A capsule of 3 to 7 steps."""
    drawn = Drawn(judge, draw)
    for number in range(draw.randint(3, 7)):
        drawn.add(f"s{number}")
    drawn.end()
    return drawn


def _document(name: str, spec: dict[str, Any]) -> str:
    head = {"apiVersion": "somagent.io/v1alpha1", "kind": "Capsule", "metadata": {"name": name}}
    return json.dumps({**head, "spec": spec}, indent=1)
