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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graphs import Want, marks_in, read

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
    heard: Sequence[tuple[float, str]] = ()  # the lines of what it told, and when each was read at the latest


@dataclass
class Judgement:
    """What is wrong, by kind, and what was counted."""

    faults: list[tuple[str, str]] = field(default_factory=list)
    repeats: int = 0
    repeated: dict[int, int] = field(default_factory=dict)  # by the process that was killed
    kills: int = 0
    steps: int = 0
    usurped: int = 0

    def say(self, kind: str, what: str) -> None:
        assert kind in FAULTS
        self.faults.append((kind, what))


class Line(NamedTuple):
    """A line that a step wrote."""

    number: int
    key: str
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
    case = _Case(folder, processes, history, judgement)
    checks = (case.phases, case.values, case.again, case.owners, case.waits, case.gates, case.decisions, case.finals)
    for check in (*checks, case.repeats):
        check()
    return judgement


def _lines(folder: Path, processes: list[Process]) -> list[Line]:
    by_pid = {process.pid: number for number, process in enumerate(processes)}
    lines = []
    for number, line in enumerate(marks_in(folder)):
        place = re.sub(r"^[^./]+", "", line["key"])
        last = max((index for index, one in enumerate(processes) if one.started <= line["at"]), default=0)
        process = by_pid.get(line["owner"], last)
        inputs = line.get("inputs", [])
        more = (line["what"], line["at"], line["attempt"], inputs, line.get("value"))
        lines.append(Line(number, line["key"], process, place, *more))
    return lines


class Told(NamedTuple):
    """What a process had said of a place at that time."""

    process: int
    at: float
    phase: str

    @property
    def is_end(self) -> bool:
        return self.phase in {"Succeeded", "Failed"}


class _Case:
    def __init__(self, folder: Path, processes: list[Process], history: dict[str, Any], judgement: Judgement) -> None:
        self.folder, self.graph = folder, read(folder)
        self.processes, self.final, self.judgement = processes, history["final"], judgement
        # When the database was killed, if there is one, and several processes worked at once.
        self.shared, self.outages = "outages" in history, history.get("outages", [])
        run = self.final["id"]
        lines = [line for line in _lines(folder, processes) if re.match(rf"{run}[./]", line.key)]
        self.of: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            self.of[line.place].append(line)
        # What a process wrote that had lost its lease meanwhile is looked at by `owners` alone.
        late = {number: one.usurped[1] for number, one in enumerate(processes) if one.usurped}
        self.lines = [line for line in lines if line.at <= late.get(line.process, line.at)]
        self.late = [line for line in lines if line.at > late.get(line.process, line.at)]
        self.told = self._told()

    def _told(self) -> dict[str, list[Told]]:
        """What the commands said of each place."""
        told = defaultdict(list)
        for number, process in enumerate(self.processes):
            for at, line in process.heard or [(process.ended, line) for line in process.told.splitlines()]:
                if found := _TOLD.match(line):
                    name, phase, note = found.groups()
                    phase = "failed" if phase == "Pending" and note else phase
                    told[self._place(name)].append(Told(number, at, phase))
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
            for told in said:
                if told.is_end and (step is None or step["phase"] != told.phase):
                    by = f"process {told.process} told {told.phase}"
                    self.judgement.say("lost", f"{place}: {by}; now {step and step['phase']}")
        for number, process in enumerate(self.processes):  # workers
            for phase in re.findall(rf" {self.final['id']} (Succeeded|Failed|Cancelled)\b", process.told):
                if phase != self.final["phase"]:
                    self.judgement.say("lost", f"process {number} told that the run {phase}")

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
            for told in self.told[place]:
                if told.phase == "Succeeded" and made and made[0].at > told.at:
                    self.judgement.say("lost", f"{place}: told by process {told.process}, made by {made[0].process}")
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
        known = self._known_when()
        for line in self.lines:
            if line.what == "begin" and (how := known(line)):
                self.judgement.say("recorded run again", f"{line.place} began {how}")

    def _known_when(self) -> Callable[[Line], str]:
        """How it is known that a place had a result when a line was written; empty when it is not."""
        read: dict[str, tuple[int, str]] = {}  # the first line that read it
        for line in self.lines:
            if line.what == "begin":
                for need in self._want(line.place).needs:
                    for place in self._items(need):
                        read.setdefault(place, (line.number, line.place))

        def known(line: Line) -> str:
            told = next((one for one in self.told[line.place] if one.is_end and one.at < line.at), None)
            if told is not None:
                return f"after process {told.process} told its end"
            number, by = read.get(line.place, (line.number, ""))
            return f"after {by} had read it" if number < line.number else ""

        return known

    def _want(self, place: str) -> Want:
        return self.graph.places.get(place) or Want()

    def owners(self) -> None:
        usurped = {number: one.usurped for number, one in enumerate(self.processes) if one.usurped}
        self.judgement.usurped = len(usurped)
        for line in self.lines:
            before = (one.process for one in self.of[line.place] if one.number < line.number)
            if line.what == "clash" and not usurped.keys() & {line.process, *before}:
                self.judgement.say("duplicate owner", f"{line.place} was at work twice at once")
        known = self._known_when()
        for number, (stopped, _) in usurped.items():
            begun = [line for line in self.late if line.process == number and line.what == "begin"]
            if self.shared:  # it may have become a worker again, and what it begins then is no matter of its old lease
                begun = [line for line in begun if known(line)]
            if len(begun) > self.graph.parallel:
                self.judgement.say("duplicate owner", f"process {number} began {len(begun)} steps without the lease")
            for line in begun:
                for need in (one for every in self._want(line.place).needs for one in self._items(every)):
                    over = [one.at for one in self.of[need] if one.what == "end"]
                    over = over or [one.at for one in self.of[need] if one.what == "failed"]  # it fails in the end
                    if over and min(over) > stopped:
                        self.judgement.say("duplicate owner", f"process {number} began {line.place} without the lease")

    def waits(self) -> None:
        """Of a failure it is sure that it was recorded when the command told it, or went on in the same process."""
        for place, want in self.graph.places.items():
            lines, sure = self.of[place], 0
            told = Counter(one.process for one in self.told[place] if one.phase == "failed")
            for at, line in enumerate(lines):
                if line.what not in {"failed", "invalid"}:
                    continue
                following = next((one for one in lines[at + 1 :] if one.what == "begin"), None)
                same = following is not None and following.process == line.process
                if same and self.processes[line.process].usurped:
                    same = False
                if same and any(line.at < outage < following.at for outage in self.outages):
                    same = False  # it was told that its write had failed
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
        start = min(process.started for process in self.processes if process.command[0] == "run")
        for line in self.lines:
            for name in self._want(line.place).after:
                gate = self.graph.gates[name]
                people = {person for at, person in agreed[name] if at <= line.at}
                due = gate.due_s is not None and line.at >= start + gate.due_s
                if line.what == "begin" and len(people) < gate.count and not due:
                    self.judgement.say("gate too early", f"{line.place} began with {len(people)} of {gate.count}")

    def decisions(self) -> None:
        """Who was told that a decision is written down finds it."""
        kept = set(_decisions(self.final))
        for number, process in enumerate(self.processes):
            if process.command[0] == "approve" and process.code in {0, 1, 3, 4}:
                gate, person = process.command[2], process.command[4]
                if (gate, person) not in kept:
                    self.judgement.say("lost", f"process {number} told that {person} agreed to {gate}; it is not there")

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
                later = any(line.at > process.ended and line.what == "begin" for line in self.of[place])
                again += bool(last) and last[-1].what in {"begin", "end"} and later
            self.judgement.repeats += again
            self.judgement.repeated[process.pid] = again
            if again > most_repeats(process, self.graph.parallel, self.outages):
                self.judgement.say("too many repeats", f"{again} after the kill of process {number}")


def most_repeats(process: Process, parallel: int, outages: list[float]) -> int:
    """As many as can be at work at once; what was at work when the database died was cut off then."""
    return parallel * (1 + sum(process.started < outage < process.ended for outage in outages))


def _decisions(shown: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Gates and people, as commands name them."""
    for decision in shown["decisions"]:
        yield above + decision["step"], decision["by"]
    for name, step in shown["steps"].items():
        if "run" in step:
            yield from _decisions(step["run"], f"{above}{name}/")


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


if __name__ == "__main__":
    for kind, what in judge(Path(sys.argv[1])).faults:
        print(f"{kind}: {what}")
