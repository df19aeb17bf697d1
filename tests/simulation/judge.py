"""Says whether a life came out right. Of the engine it uses nothing: it reads the world's log, the rows in the file,
and the final view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from life import Life
from limits import too_much
from plans import Want
from times import untimely
from world import Entry

FAULTS = {
    "lost": "results that were recorded or told, and that are gone or others now",
    "recorded run again": "steps that began although their result was in the file",
    "wrong value": "values that no attempt of their place gave, or unlike those that others read",
    "duplicate owner": "writes, or begun steps, of a process whose lease another one had taken",
    "too many attempts": "failures beyond what `retry` allows, or an attempt made twice",
    "too few attempts": "steps that failed before `retry` was used up",
    "untimely": "attempts that began, or were cut off, at another time than they should",
    "too much at once": "more at work than `maxParallel`, the limits or the engine's places allow",
    "gate too early": "steps begun before enough people had agreed",
    "wrong end": "runs that did not end, or in another phase, or with an error; `finally` that did not run last",
    "left behind": "tasks that outlived the work of their process, errors that nobody heard of",
}
_PEOPLE = {"signal", "cancel", "submit"}  # what is written without a lease
_EXPECTED = ("failed: DataDirectoryHeld", "failed: StorageFull")


def judge(life: Life) -> list[tuple[str, str]]:
    """What is wrong, by kind, with a run and with those that it goes back to."""
    return [fault for act in life.acts for fault in _judged(act)]


def _judged(life: Life) -> list[tuple[str, str]]:
    case = _Case(life)
    if life.error or life.view is None:
        return [("wrong end", life.error or "there is no end"), *case.found(case.recorded, case.owners)]
    checks = (
        case.phases,
        case.values,
        case.recorded,
        case.owners,
        case.attempts,
        case.gates,
        case.finals,
        case.left,
        case.kept,
    )
    found = case.found(*checks)
    found += [("untimely", text) for text in untimely(life, case.of)]
    return found + [("too much at once", text) for text in too_much(life)]


class _Case:
    def __init__(self, life: Life) -> None:
        self.life, self.drawn, self.entries = life, life.drawn, life.entries
        self.of: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            if entry.place:
                self.of[entry.place].append(entry)
        self.ever = [entry for act in life.acts for entry in act.entries]
        self.above = _Case(life.before) if life.before is not None else None
        self.late = set(self._late())
        self.cancelled = bool(life.cancelled_us) and life.view is not None and life.view.phase == "Cancelled"

    def _late(self) -> Iterator[int]:
        """What steps of a process did after another one took its lease; only `owners` looks at it."""
        holder, former = -1, set[int]()
        for number, entry in enumerate(self.entries):
            if entry.what == "commit" and entry.place == "lease":
                former, holder = (former | {holder}) - {entry.process}, entry.process
            elif entry.process in former and entry.what != "commit":
                yield number

    def found(self, *checks: Callable[[], Iterator[tuple[str, str]]]) -> list[tuple[str, str]]:
        return [one for check in checks for one in check()]

    def step(self, place: str) -> Any:
        """The step or item in the final view, or in that of the run that it was taken over from."""
        if self.above is not None and self._is_kept(place):
            return self.above.step(place)
        steps, rest = self.life.view.steps if self.life.view else [], place
        if place.startswith("."):
            head, rest = place[1:].split("/", 1)
            inner = next((one.inner for one in steps if one.id == head), None)
            steps = inner.steps if inner is not None else []
        name, _, item = rest.strip("/").partition("/")
        found = next((one for one in steps if one.id == name), None)
        if item and found is not None:
            return next((one for one in found.items if one.item == int(item)), None)
        return found

    def _is_kept(self, place: str) -> bool:
        """Whether the step, or that which it is in, was taken over whole."""
        return place[1:].split("/", maxsplit=1)[0] in self.life.kept

    def kept(self) -> Iterator[tuple[str, str]]:
        """What a retry takes over is as it was, and does not begin."""
        for entry in self.entries:
            if entry.what == "begin" and self._is_kept(entry.place):
                yield "recorded run again", f"the retry began {entry.place}"
        view, before = self.life.view, self.life.before.view if self.life.before is not None else None
        if view is None or before is None:
            return
        for step, old in zip(view.steps, before.steps, strict=True):
            if old.id in self.life.kept and (step.phase, step.outputs) != (old.phase, old.outputs):
                yield (
                    "lost",
                    f"the retry has {step.id} as {step.phase}, {step.outputs}; it was {old.phase}, {old.outputs}",
                )

    def phases(self) -> Iterator[tuple[str, str]]:
        view = self.life.view
        assert view is not None
        if view.phase != self.drawn.phase and not self.cancelled:
            yield "wrong end", f"the run is {view.phase}, not {self.drawn.phase}: {view.failure}"
        for place, want in self.drawn.places.items():
            step = self.step(place)
            given_up = self.cancelled and not want.final and (step is None or step.phase in {"Cancelled", "Omitted"})
            if not given_up and (step is None or step.phase != want.phase):
                yield "wrong end", f"{place} is {step and step.phase}, not {want.phase}: {step and step.failure}"

    def values(self) -> Iterator[tuple[str, str]]:
        spent = 0
        for place, want in self.drawn.places.items():
            step = self.step(place)
            if step is None or step.phase != "Succeeded" or want.operator == "review":
                continue
            spent += 0 if self._is_kept(place) or not step.history else want.tokens
            value = step.outputs.get("value")
            if not any(one.place == place and one.what == "end" and one.data[1] == value for one in self.ever):
                yield "wrong value", f"{place} has {value}, which none of its attempts gave"
        for entry in self.entries:
            want = self.drawn.places.get(entry.place) if entry.what == "begin" else None
            right = [self._read(need) for need in want.reads] if want is not None else []
            if want is not None and entry.data[1] != right:
                yield "wrong value", f"{entry.place} read {entry.data[1]}, not {right}"
        view = self.life.view
        if view is not None and view.phase == "Succeeded" and view.outputs != {"spent": spent}:
            yield "wrong value", f"the run spent {view.outputs}, not {spent}"

    def _read(self, need: str) -> Any:
        if not need.endswith("/*"):
            return (step := self.step(need)) and step.outputs.get("value")
        of = need.removesuffix("*")
        steps = [self.step(place) for place in self.drawn.places if place.startswith(of)]
        return [step.outputs.get("value") for step in steps if step is not None and step.phase == "Succeeded"]

    def recorded(self) -> Iterator[tuple[str, str]]:
        """What was in the file when a process ended stays there, and does not begin any more."""
        before: frozenset[Any] = frozenset()
        known: dict[str, int] = {}
        if self.above is not None:  # what succeeded in a capsule that did not is taken over in it
            inner = (place for place in self.drawn.places if place.startswith("."))
            known = {place: 0 for place in inner if (old := self.above.step(place)) and old.phase == "Succeeded"}
        for until, rows in self.life.rows:
            for place, phase in before - rows:
                yield "lost", f"{place} was recorded as {phase}, and is not any more"
            for place, _ in rows - before:
                known[place] = until
            before = rows
        told = {one.place: number for number, one in enumerate(self.entries) if one.what == "told result"}
        for place, number in told.items():
            known[place] = min(known.get(place, number), number)
            phase = self.entries[number].data[0]
            if before and (place, phase) not in before:
                yield "lost", f"{place} was told to be {phase}: {[one for one in before if one[0] == place]}"
        for number, entry in enumerate(self.entries):
            if entry.what == "begin" and known.get(entry.place, number) < number and number not in self.late:
                yield "recorded run again", f"process {entry.process} began {entry.place} after it was recorded"

    def owners(self) -> Iterator[tuple[str, str]]:
        holder, former, begun = -1, set[int](), 0
        for entry in self.entries:
            if entry.what == "commit" and entry.place == "lease":
                former, holder = former | {holder}, entry.process
                former.discard(holder)
            elif entry.what == "commit" and entry.process in former and entry.place not in _PEOPLE:
                yield "duplicate owner", f"process {entry.process} wrote `{entry.place}` after {holder} took the lease"
            elif entry.what == "begin" and entry.process in former:
                begun += 1  # the attempt may have been written down before, and the process have been stopped then
                if begun > self.drawn.parallel * len(former):
                    yield "duplicate owner", f"process {entry.process} began {entry.place} without the lease"

    def attempts(self) -> Iterator[tuple[str, str]]:
        for place, want in self.drawn.places.items():
            step = None if self._is_kept(place) else self.step(place)
            begun = [one.data[0] for one in self.of[place] if one.what == "begin"]
            if len(set(begun)) != len(begun):
                yield "too many attempts", f"{place} began these attempts: {begun}"
            if step is None or not step.history:
                continue
            numbers = [one.number for one in step.history]
            if numbers != list(range(1, len(numbers) + 1)) or not set(begun) <= set(numbers):
                yield "too many attempts", f"{place}: {begun} began, {numbers} are written down"
            yield from self._failures(place, want, step)

    def _failures(self, place: str, want: Want, step: Any) -> Iterator[tuple[str, str]]:
        ended = ("cut_off", "cancelled")
        failed = [one.failure.failure_class for one in step.history if one.failure is not None]
        failed = [one for one in failed if one not in ended]
        if want.operator == "review":
            return
        drawn = [want.always] * want.attempts if want.always else want.fails
        allowed = 1 if want.always == "error" else want.attempts
        if len(failed) > allowed:
            yield "too many attempts", f"{place} failed {len(failed)} times, allowed are {allowed}"
        if want.always and step.phase == "Failed" and not self.cancelled and len(failed) < allowed:
            yield "too few attempts", f"{place} failed {len(failed)} times of {allowed}, and was given up"
        if any(one not in drawn for one in failed) and want.phase != "Failed":
            yield "wrong value", f"{place} failed with {failed}, drawn were {drawn}"

    def gates(self) -> Iterator[tuple[str, str]]:
        agreed: dict[str, set[str]] = defaultdict(set)
        asked: dict[str, int] = {}
        for entry in self.ever:
            if entry.what == "answers":  # before the decision is written: whether it was is not always known
                agreed[entry.place].add(entry.data)
            elif entry.what == "told attempt":
                asked.setdefault(entry.place, entry.at_us)
            elif entry.what == "begin" and (want := self.drawn.places.get(entry.place)) is not None:
                for place in want.gates:
                    gate = self.drawn.gates[place]
                    due = gate.due_us is not None and entry.at_us + self.life.world.set_most_us >= (
                        asked.get(place, entry.at_us) + gate.due_us
                    )
                    if len(agreed[place]) < gate.count and not due:
                        yield "gate too early", f"{entry.place} began with {len(agreed[place])} of {gate.count}"

    def finals(self) -> Iterator[tuple[str, str]]:
        order = 0
        for number, entry in enumerate(self.entries):
            want = self.drawn.places.get(entry.place)
            if entry.what == "begin" and want is not None and number not in self.late:
                if want.final < order:
                    yield "wrong end", f"{entry.place} began after a step of `finally`"
                order = want.final

    def left(self) -> Iterator[tuple[str, str]]:
        for process in self.life.world.processes:
            if process.loop.errors:
                yield "left behind", f"process {process.number}: {process.loop.errors}"
            if process.over.startswith("failed") and not process.over.startswith(_EXPECTED):
                yield "wrong end", f"process {process.number} ({process.name}) {process.over}: {process.result}"
        for entry in self.entries:
            if entry.what == "over" and entry.process and entry.data[1]:
                yield "left behind", f"process {entry.process} left {entry.data[1]} tasks"
