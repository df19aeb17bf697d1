"""Says whether a run that was killed again and again came out right. Knows nothing of the engine.

It reads the lines that the steps wrote, what the commands printed, when they died, and the final JSON. `python
tests/chaos/judge.py FOLDER` judges a kept folder again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graphs import Want, read

_EARLY_S = 0.002  # the wall clock of a step and that of the engine are read one after the other
_TOLD = re.compile(r"^ *[\d.hms ]+s +\S+ (\S+) +(Succeeded|Failed|Pending|Omitted|Skipped|Cancelled)\b(?:  (.*))?$")

FAULTS = {
    "lost": "results that the command had told, or that others had read, and that are gone",
    "recorded run again": "steps that began although their result had been told, or read by another step",
    "wrong value": "final values that no attempt of their place gave, or unlike those that others read",
    "duplicate owner": "two attempts of one key at once, or steps begun by a process that had lost the lease",
    "too many attempts": "failures beyond what `retry` allows",
    "too early": "attempts begun before their wait was over",
    "gate too early": "steps begun before enough people had agreed",
    "wrong end": "runs that did not end, or in another phase, or with an error",
    "too many repeats": "kills after which more unrecorded steps were repeated than can be at work at once",
}


class Process(NamedTuple):
    """A command that worked on the run."""

    pid: int
    command: list[str]
    started: float
    ended: float
    code: int  # negative: the signal that ended it
    told: str  # what it said on the way
    usurped: tuple[float, ...] = ()  # when it was stopped and when it went on, if its lease was taken meanwhile


@dataclass
class Judgement:
    """What is wrong, by kind, and what was counted."""

    faults: list[tuple[str, str]] = field(default_factory=list)
    repeats: int = 0
    kills: int = 0
    steps: int = 0
    usurped: int = 0

    def say(self, kind: str, what: str) -> None:
        assert kind in FAULTS
        self.faults.append((kind, what))


class Line(NamedTuple):
    """A line that a step wrote."""

    number: int
    process: int  # which of the processes
    place: str
    what: str
    at: float
    attempt: int
    inputs: list[Any]
    value: Any


def judge(folder: Path) -> Judgement:
    """Judges what is in the folder."""
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    processes = sorted((Process(*process) for process in history["processes"]), key=lambda one: one.started)
    judgement = Judgement(kills=sum(one.code == -9 for one in processes))
    if history["error"]:
        judgement.say("wrong end", history["error"])
        return judgement
    case = _Case(folder, processes, history["final"], _lines(folder, processes), judgement)
    for check in (case.phases, case.values, case.again, case.owners, case.waits, case.gates, case.finals, case.repeats):
        check()
    return judgement


def _lines(folder: Path, processes: list[Process]) -> list[Line]:
    by_pid = {process.pid: number for number, process in enumerate(processes)}
    marks = folder / "marks"
    texts = marks.read_text(encoding="utf-8").splitlines() if marks.exists() else []
    lines = []
    for number, line in enumerate(map(json.loads, texts)):
        place = re.sub(r"^[^./]+", "", line["key"])
        last = max((index for index, one in enumerate(processes) if one.started <= line["at"]), default=0)
        process = by_pid.get(line["owner"], last)
        inputs = line.get("inputs", [])
        lines.append(Line(number, process, place, line["what"], line["at"], line["attempt"], inputs, line.get("value")))
    return lines


class _Case:
    def __init__(
        self, folder: Path, processes: list[Process], final: Any, lines: list[Line], judgement: Judgement
    ) -> None:
        self.folder, self.graph = folder, read(folder)
        self.processes, self.final, self.judgement = processes, final, judgement
        self.of: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            self.of[line.place].append(line)
        # What a process wrote that had lost its lease meanwhile is looked at by `owners` alone.
        late = {number: one.usurped[1] for number, one in enumerate(processes) if one.usurped}
        self.lines = [line for line in lines if line.at <= late.get(line.process, line.at)]
        self.late = [line for line in lines if line.at > late.get(line.process, line.at)]
        self.told = self._told()

    def _told(self) -> dict[str, list[tuple[int, str]]]:
        """What the commands said of each place, with the number of the process."""
        told = defaultdict(list)
        for number, process in enumerate(self.processes):
            for name, phase, note in (found.groups() for found in map(_TOLD.match, process.told.splitlines()) if found):
                told[self._place(name)].append((number, "failed" if phase == "Pending" and note else phase))
        return told

    def _place(self, name: str) -> str:
        """`s3/a` is an item or a step inside a capsule."""
        head, _, rest = name.partition("/")
        return f".{name}" if rest and head in self.graph.capsules else f"/{name}"

    def phases(self) -> None:
        asked = any(process.command[0] == "cancel" for process in self.processes)
        self.cancelled = asked and self.final["phase"] == "Cancelled"
        if self.final["phase"] != self.graph.phase and not self.cancelled:
            self.judgement.say("wrong end", f"the run is {self.final['phase']}, not {self.graph.phase}")
        for place, want in self.graph.places.items():
            self.judgement.steps += 1
            step = self.step(place)
            given_up = self.cancelled and not want.final and (step is None or step["phase"] in {"Cancelled", "Omitted"})
            if not given_up and (step is None or step["phase"] != want.phase):
                self.judgement.say("lost", f"{place} is {step and step['phase']}, not {want.phase}")
        for place, said in self.told.items():
            step = self.step(place)
            for number, phase in said:
                if phase in {"Succeeded", "Failed"} and (step is None or step["phase"] != phase):
                    self.judgement.say("lost", f"{place}: process {number} told {phase}; now {step and step['phase']}")

    def step(self, place: str) -> Any:
        """The step or item in the final JSON."""
        steps, rest = self.final["steps"], place
        if place.startswith("."):
            head, rest = place[1:].split("/", 1)
            steps = steps.get(head, {}).get("run", {}).get("steps", {})
        name, _, item = rest.strip("/").partition("/")
        found = steps.get(name)
        if item and found is not None:
            items = found.get("items", [])
            return items[int(item)] if int(item) < len(items) else None
        return found

    def value(self, place: str) -> Any:
        """The final value; a large one is named by its digest and read from the store."""
        value = (self.step(place) or {}).get("outputs", {}).get("value")
        if isinstance(value, dict) and "$content" in value:
            digest = value["$content"].removeprefix("sha256:")
            stored = self.folder / ".somagent" / "contents" / "objects" / digest[:2] / digest[2:]
            content = stored.read_bytes() if stored.exists() else b""
            return json.loads(content) if hashlib.sha256(content).hexdigest() == digest else value
        return value

    def values(self) -> None:
        for place, want in self.graph.places.items():
            if want.phase != "Succeeded" or (self.cancelled and (self.step(place) or {}).get("phase") != "Succeeded"):
                continue
            value = self.value(place)
            made = [line for line in self.of[place] if line.what == "end" and line.value == value]
            if not made:
                self.judgement.say("wrong value", f"{place} has {_brief(value)}, which none of its attempts gave")
            for number, phase in self.told[place]:
                if phase == "Succeeded" and made and made[0].process > number:
                    self.judgement.say("lost", f"{place}: told by process {number}, made by {made[0].process}")
            right = [self._read(need) for need in want.needs]
            for line in self.of[place]:
                if line.what == "begin" and line.inputs != right:
                    self.judgement.say("wrong value", f"{place} read {_brief(line.inputs)}, not {_brief(right)}")
        spent = sum(want.tokens for want in self.graph.places.values())
        if self.final["phase"] == "Succeeded" and self.final["outputs"] != {"spent": spent}:
            self.judgement.say("wrong value", f"spent {self.final['outputs']}, not {spent}")

    def _read(self, need: str) -> Any:
        if not need.endswith("/*"):
            return self.value(need)
        return [self.value(place) for place in self._items(need) if self.graph.places[place].phase == "Succeeded"]

    def _items(self, need: str) -> list[str]:
        of = need.removesuffix("*")
        return [place for place in self.graph.places if place.startswith(of)] if need.endswith("/*") else [need]

    def again(self) -> None:
        recorded: dict[str, str] = {}  # and how that is known
        for line in self.lines:
            if line.what != "begin":
                continue
            told = [number for number, phase in self.told[line.place] if phase in {"Succeeded", "Failed"}]
            if any(number < line.process for number in told):
                self.judgement.say("recorded run again", f"{line.place} began after process {told[0]} told its end")
            elif line.place in recorded:
                self.judgement.say("recorded run again", f"{line.place} began after {recorded[line.place]} had read it")
            for need in self._want(line.place).needs:
                recorded |= dict.fromkeys(self._items(need), line.place)

    def _want(self, place: str) -> Want:
        return self.graph.places.get(place) or Want()

    def owners(self) -> None:
        usurped = {number: one.usurped for number, one in enumerate(self.processes) if one.usurped}
        self.judgement.usurped = len(usurped)
        for line in self.lines:
            if line.what == "clash" and not usurped:
                self.judgement.say("duplicate owner", f"{line.place} was at work twice at once")
        for number, (stopped, _) in usurped.items():
            begun = [line for line in self.late if line.process == number and line.what == "begin"]
            if len(begun) > self.graph.parallel:
                self.judgement.say("duplicate owner", f"process {number} began {len(begun)} steps without the lease")
            for line in begun:
                for need in (one for every in self._want(line.place).needs for one in self._items(every)):
                    if all(one.at > stopped for one in self.of[need] if one.what == "end"):
                        self.judgement.say("duplicate owner", f"process {number} began {line.place} without the lease")

    def waits(self) -> None:
        """Of a failure it is sure that it was recorded when the command told it, or went on in the same process."""
        for place, want in self.graph.places.items():
            lines, sure = self.of[place], 0
            told = Counter(number for number, phase in self.told[place] if phase == "failed")
            for at, line in enumerate(lines):
                if line.what not in {"failed", "invalid"}:
                    continue
                following = next((one for one in lines[at + 1 :] if one.what == "begin"), None)
                same = following is not None and following.process == line.process
                seen = sum(one.process == line.process for one in lines[:at] if one.what in {"failed", "invalid"})
                if not same and seen >= told[line.process]:
                    continue
                sure += 1
                wait = want.backoff_s * 2 ** (sure - 1)
                if following is not None and following.at < line.at + wait - _EARLY_S:
                    by = line.at + wait - following.at
                    self.judgement.say("too early", f"{place} was tried again {by:.3f} s before its wait was over")
            if sure >= want.attempts + (want.phase == "Failed") or (sure and want.attempts == 1):
                self.judgement.say("too many attempts", f"{place} failed {sure} times, allowed are {want.attempts}")

    def gates(self) -> None:
        agreed = defaultdict(list)
        for process in self.processes:
            if process.command[0] == "approve":
                agreed[process.command[2]].append((process.started, process.command[4]))
        start = self.processes[0].started
        for line in self.lines:
            for name in self._want(line.place).after:
                gate = self.graph.gates[name]
                people = {person for at, person in agreed[name] if at <= line.at}
                due = gate.due_s is not None and line.at >= start + gate.due_s
                if line.what == "begin" and len(people) < gate.count and not due:
                    self.judgement.say("gate too early", f"{line.place} began with {len(people)} of {gate.count}")

    def finals(self) -> None:
        """A final begins when all else has ended, one after the other."""
        order = 0
        for line in self.lines:
            if line.what == "begin" and line.place in self.graph.places:
                if self._want(line.place).final < order:
                    self.judgement.say("wrong end", f"{line.place} began after a step of `finally`")
                order = self._want(line.place).final

    def repeats(self) -> None:
        """Steps that were cut off and began again, kill by kill."""
        for number, process in enumerate(self.processes):
            if process.code != -9:
                continue
            again = 0
            for place in self.graph.places:
                last = [line for line in self.of[place] if line.process == number]
                later = any(line.process > number and line.what == "begin" for line in self.of[place])
                again += bool(last) and last[-1].what in {"begin", "end"} and later
            self.judgement.repeats += again
            if again > self.graph.parallel:
                self.judgement.say("too many repeats", f"{again} after the kill of process {number}")


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


if __name__ == "__main__":
    for kind, what in judge(Path(sys.argv[1])).faults:
        print(f"{kind}: {what}")
