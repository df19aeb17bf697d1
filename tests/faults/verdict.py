"""Says whether a run came out as if nothing had happened. Knows nothing of the engine or the cluster.

It reads what the steps said (`listener.py`), what was done to the cluster and when, the decisions that commands said
they had written, and the run as it is shown at the end.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any, NamedTuple

from drawn import Drawn

FAULTS = {
    "lost": "places that did not come to the phase they must come to, and decisions that are gone",
    "recorded run again": "steps that began although another one had read their result, or a decision came after them",
    "wrong value": "final values that no attempt of their place gave, or unlike those that others read",
    "duplicate owner": "two attempts of one key at once",
    "too many attempts": "failures beyond those that are retried",
    "gate too early": "steps begun before enough people had agreed",
    "wrong end": "runs that did not end, or in another phase, or `finally` before the rest",
    "repeated for nothing": "attempts begun anew although nothing had been done to the cluster in between",
}
_RECORDED_S = 1.0  # after a step has said that it fails, on a busy machine


class Harm(NamedTuple):
    """What was done to the cluster, from when to when."""

    kind: str
    target: str
    begun: float
    over: float


class Agreed(NamedTuple):
    """A decision that a command said it had written down."""

    gate: str
    by: str
    asked: float  # when the command was given


class Fault(NamedTuple):
    kind: str
    what: str


class Verdict:
    """What is wrong with a run that was shown to have ended, and how many attempts were repeated."""

    def __init__(
        self, drawn: Drawn, shown: dict[str, Any], marks: list[dict[str, Any]], harms: list[Harm], agreed: list[Agreed]
    ) -> None:
        self.drawn, self.shown, self.harms, self.agreed = drawn, shown, harms, agreed
        self.faults: list[Fault] = []
        self.repeats = 0
        self.marks = marks
        self.of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for mark in marks:
            mark["place"] = mark["key"].removeprefix(shown["id"])
            self.of[mark["place"]].append(mark)
        for check in (self._phases, self._values, self._attempts, self._reads, self._gates, self._order):
            check()

    def say(self, kind: str, what: str) -> None:
        assert kind in FAULTS
        self.faults.append(Fault(kind, what))

    def _step(self, place: str) -> dict[str, Any]:
        steps, rest = self.shown["steps"], place
        if place.startswith("."):
            outer, rest = place[1:].split("/", 1)
            steps = steps.get(outer, {}).get("run", {}).get("steps", {})
        name, _, item = rest.strip("/").partition("/")
        found = steps.get(name, {})
        if item:
            items = found.get("items", [])
            found = items[int(item)] if int(item) < len(items) else {}
        return dict(found)

    def _phases(self) -> None:
        if self.shown["phase"] != self.drawn.phase:
            self.say("wrong end", f"the run is {self.shown['phase']}, not {self.drawn.phase}")
        for place, want in self.drawn.places.items():
            if (phase := self._step(place).get("phase")) != want.phase:
                self.say("lost", f"{place} is {phase}, not {want.phase}")
        kept = {(one["step"], one["by"]) for one in self.shown["decisions"]}
        for one in self.agreed:
            if (one.gate, one.by) not in kept:
                self.say("lost", f"{one.by} was told that {one.gate} is approved; it is not there")

    def _value(self, place: str) -> Any:
        return self._step(place).get("outputs", {}).get("value")

    def _values(self) -> None:
        for place, want in self.drawn.places.items():
            value = self._value(place)
            made = [mark["value"] for mark in self.of[place] if mark["what"] == "end"]
            if want.phase == "Succeeded" and value not in made:
                self.say("wrong value", f"{place} has {value!r}, which none of its attempts gave")
            right = [self._read(need) for need in want.needs]
            for mark in self.of[place]:
                if mark["what"] == "begin" and mark["inputs"] != right:
                    self.say("wrong value", f"{place} read {mark['inputs']}, not {right}")

    def _read(self, need: str) -> Any:
        return [self._value(place) for place in self._items(need)] if need.endswith("/*") else self._value(need)

    def _items(self, need: str) -> list[str]:
        of = need.removesuffix("*")
        return [place for place in self.drawn.places if place.startswith(of)] if need.endswith("/*") else [need]

    def _attempts(self) -> None:
        for place, want in self.drawn.places.items():
            marks = self.of[place]
            for clash in (mark for mark in marks if mark["what"] == "clash"):
                self.say("duplicate owner", f"{place} was at work twice at {clash['at']:.3f}")
            failed = sum(mark["what"] == "failed" and not self._may_be_lost(mark) for mark in marks)
            if failed > (want.failures if want.failures >= 0 else 3):
                self.say("too many attempts", f"{place} failed {failed} times")
            begun = [mark for mark in marks if mark["what"] == "begin"]
            for before, after in itertools.pairwise(begun):
                between = [mark["what"] for mark in marks[marks.index(before) + 1 : marks.index(after)]]
                if "failed" in between:
                    continue
                self.repeats += 1
                if not self._harmed(before["at"], after["at"]):
                    self.say("repeated for nothing", f"{place} began at {before['at']:.3f} and {after['at']:.3f}")

    def _may_be_lost(self, failed: dict[str, Any]) -> bool:
        """Whether the store, or the pod, was gone before the failure was recorded: then that attempt is repeated."""
        from_then, until_then = failed["at"], failed["at"] + _RECORDED_S
        return any(
            harm.begun <= until_then
            and from_then <= harm.over
            and (harm.kind.startswith("store ") or harm.target.startswith(failed["host"]))
            for harm in self.harms
        )

    def _harmed(self, begun: float, over: float) -> bool:
        return any(harm.begun <= over and begun <= harm.over for harm in self.harms)

    def _reads(self) -> None:
        """Of a place whose value another one was given it is known that it was recorded before that one began."""
        for reader in self.marks:
            want = self.drawn.places.get(reader["place"])
            if reader["what"] != "begin" or want is None:
                continue
            for place in (one for need in want.needs for one in self._items(need)):
                for mark in self.of[place]:
                    if mark["what"] == "begin" and mark["at"] > reader["at"]:
                        self.say("recorded run again", f"{place} began after {reader['place']} had read it")

    def _gates(self) -> None:
        for place, want in self.drawn.places.items():
            for gate in want.after:
                for mark in self.of[place]:
                    people = {one.by for one in self.agreed if one.gate == gate and one.asked <= mark["at"]}
                    if len(people) < self.drawn.gates[gate]:
                        self.say("gate too early", f"{place} began with {len(people)} of {self.drawn.gates[gate]}")

    def _order(self) -> None:
        finals = [mark["at"] for place, want in self.drawn.places.items() if want.final for mark in self.of[place]]
        rest = [mark["at"] for place, want in self.drawn.places.items() if not want.final for mark in self.of[place]]
        if finals and rest and min(finals) < max(rest):
            self.say("wrong end", f"`finally` began at {min(finals):.3f}, a step was at work at {max(rest):.3f}")
