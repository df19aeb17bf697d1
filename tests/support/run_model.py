"""A run as a few rules: the reference that engines are held against. It knows nothing of how an engine works.

What nobody can foretell is handed in: which attempts were cut off by a death, and what had been recorded by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

GOOD = ("Succeeded", "Skipped")


@dataclass(frozen=True)
class Shape:
    """A step: what it needs and reads (by place in the graph), and how it behaves."""

    name: str
    kind: Literal["work", "gate", "fan"] = "work"
    needs: tuple[str, ...] = ()  # `reads` and `guard` are among them
    reads: tuple[str, ...] = ()  # its number is the sum of theirs and `add`
    guard: str = ""  # runs only when the number of this step is even
    add: int = 0
    failing: int = 0  # how many attempts fail, the first ones
    attempts: int = 1  # as many may fail as these, less one
    items: tuple[int, ...] = ()  # of a fan-out: `failing` of each item
    collect: bool = False


class Ending(NamedTuple):
    """How a step or item ended; `attempts` None: whatever they were when it was given up."""

    phase: str
    number: int | None = None
    attempts: tuple[str, ...] | None = ()
    items: tuple[Ending, ...] = ()


Cut = Mapping[tuple[str, int], frozenset[int]]  # numbers of attempts that were cut off, by step and item (-1: none)


@dataclass
class Model:
    """One run. `go` lets it go on until it has ended or only waits for people."""

    steps: tuple[Shape, ...]  # each after those that it needs
    finals: tuple[Shape, ...]
    ended: dict[str, Ending] = field(default_factory=dict)
    begun_items: dict[str, dict[int, Ending]] = field(default_factory=dict)  # recorded before a death, of open fan-outs
    touched: set[str] = field(default_factory=set)  # fan-outs of which an item was tried before a death
    asked: set[str] = field(default_factory=set)
    decided: dict[str, bool] = field(default_factory=dict)
    cancelled: bool = False
    cut: Cut = field(default_factory=dict)

    def go(self) -> None:
        for shape in self.steps:
            if shape.name not in self.ended and all(need in self.ended for need in shape.needs):
                ending = self._end(shape)
                if ending is not None:
                    self.ended[shape.name] = ending
        if all(shape.name in self.ended for shape in self.steps):
            for shape in self.finals:
                self.ended.setdefault(shape.name, self._worked(shape))

    @property
    def waiting(self) -> set[str]:
        return {name for name in self.asked if name not in self.ended}

    @property
    def phase(self) -> str:
        """After `go`."""
        if self.waiting:
            return "Waiting"
        if any(self.ended[shape.name].phase == "Cancelled" for shape in self.steps):
            return "Cancelled"
        return "Succeeded" if all(one.phase in GOOD for one in self.ended.values()) else "Failed"

    def cancel(self) -> None:
        """Somebody asks it to stop; with only `finally` left that changes nothing."""
        self.cancelled = True

    def retry(self, step: str) -> Model:
        """The run that goes on from a step of this one, which has ended."""
        after = {step}
        for shape in self.steps:
            if after.intersection(shape.needs):
                after.add(shape.name)
        names = [shape.name for shape in self.steps if shape.name not in after]
        kept = {name: _taken_over(self.ended[name]) for name in names if self.ended[name].phase in GOOD}
        decided = {name: self.decided[name] for name in kept if name in self.decided}
        return Model(self.steps, self.finals, kept, asked=set(decided), decided=decided)

    def foretold(self) -> Model:
        """How it would go on from here; this one stays as it is."""
        other = replace(self, ended=dict(self.ended), asked=set(self.asked))
        other.go()
        return other

    def number(self, name: str) -> int:
        """What an expression reads of a step; nothing of one that was skipped."""
        return self.ended[name].number or 0

    def _end(self, shape: Shape) -> Ending | None:
        if any(self._is_shut(need) for need in shape.needs):
            return Ending("Omitted")
        if self.cancelled and shape.name not in self.touched:
            return Ending("Cancelled", attempts=None)
        if shape.guard and shape.name not in self.touched and self.number(shape.guard) % 2:
            return Ending("Skipped")
        if shape.kind == "fan":
            return self._fanned(shape)
        return self._worked(shape) if shape.kind == "work" else self._gate(shape)

    def _is_shut(self, need: str) -> bool:
        phase = self.ended[need].phase
        gate = next(shape for shape in self.steps if shape.name == need).kind == "gate"
        return phase not in GOOD or (gate and phase == "Skipped")

    def _gate(self, shape: Shape) -> Ending | None:
        self.asked.add(shape.name)
        if shape.name not in self.decided:
            return None
        approved = self.decided[shape.name]
        return Ending("Succeeded" if approved else "Failed", None, ("waiting", "ok" if approved else "denied"))

    def _worked(self, shape: Shape, item: int = -1) -> Ending:
        failing = shape.failing if item < 0 else shape.items[item]
        endings = tuple(_endings(failing, shape.attempts, self.cut.get((shape.name, item), frozenset())))
        if endings[-1] != "ok":
            return Ending("Failed", None, endings)
        return Ending("Succeeded", shape.add + sum(map(self.number, shape.reads)), endings)

    def _fanned(self, shape: Shape) -> Ending:
        before = self.begun_items.get(shape.name, {})
        lost = Ending("Cancelled", attempts=None)
        items = tuple(
            before.get(item) or (lost if self.cancelled else self._worked(shape, item))
            for item in range(len(shape.items))
        )
        phases = {one.phase for one in items}
        failed = "Failed" in phases and not shape.collect
        phase = "Cancelled" if "Cancelled" in phases else "Failed" if failed else "Succeeded"
        return Ending(phase, None, None, items)


def _taken_over(ending: Ending) -> Ending:
    """The same in another run, where its attempts are not told any more."""
    return ending._replace(attempts=None, items=tuple(map(_taken_over, ending.items)))


def _endings(failing: int, attempts: int, cut: frozenset[int]) -> Iterator[str]:
    """How each attempt of a step ends until one is the last."""
    number = failed = 0
    while True:
        number += 1
        if number in cut:
            yield "cut_off"
        elif number > failing:
            yield "ok"
            return
        else:
            failed += 1
            yield "transient"
            if failed == attempts:
                return
