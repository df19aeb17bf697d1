"""What is done to one run until it has ended: which command comes next, whatever became of the one before."""

from __future__ import annotations

import json
import random
import re
import signal
from collections.abc import Generator
from typing import Any, NamedTuple

from commands import Ended, Stuck
from graphs import Graph
from judge import Process

_REFUSED = re.compile(
    r"has decided on step .* already|does not wait any more|the time to decide ended|cannot be cancelled"
)
_MOST_PROCESSES = 80


class Wish(NamedTuple):
    """A command that is to be given, so many seconds from now; one that works may be killed."""

    command: tuple[str, ...]
    works: bool = True
    after_s: float = 0.0


class Course:
    """One run from its start to its end; `ended` is where the processes that worked on it are noted."""

    def __init__(self, graph: Graph, draw: random.Random, ended: list[Process], *, unreachable: bool = False) -> None:
        """With `unreachable` a command may say that the store cannot be reached, and has not said anything else."""
        self.graph, self.draw, self.ended, self.unreachable = graph, draw, ended, unreachable
        self.run = ""
        self.parallel = ("--parallel", str(graph.parallel))
        self.agreed: dict[str, list[str]] = {}
        self.cancelling = draw.random() < 0.1

    def steps(self) -> Generator[Wish, Any, Any]:
        """Takes what became of each command, and returns the run as it is shown at the end; raises `Stuck`."""
        command, after_s = ("run", "graph.capsule.yaml"), 0.0
        while len(self.ended) < _MOST_PROCESSES:
            if self.run and self.cancelling and self.draw.random() < 0.3:
                command = ("cancel", self.run)
            ended = yield Wish(command if command[0] == "cancel" else (*command, *self.parallel), after_s=after_s)
            self.run = self.run or (yield from self._find())
            command, after_s = ("resume", self.run) if self.run else command, 0.0
            code = ended.process.code
            if code == -signal.SIGKILL or (self.unreachable and code == 5 and "cannot reach" in ended.process.told):
                continue
            if ended.process.command[0] == "approve":
                self.agreed[ended.process.command[2]].append(ended.process.command[4])
            if code == 3:
                command, after_s = self._decide(json.loads(ended.out))
            elif code in {0, 1, 4} and '"phase"' in ended.out:
                final = json.loads(ended.out)
                if final["endedAt"]:  # else others go on with it, or the lock of a dead process lingered
                    return final
            elif code != 2 or not _REFUSED.search(ended.process.told):
                said = f"{ended.process.told[-2000:]}{ended.out[-2000:]}"
                raise Stuck(f"`{' '.join(ended.process.command)}` ended with {code}: {said}")
        raise Stuck(f"the run has not ended after {_MOST_PROCESSES} processes")

    def _find(self) -> Generator[Wish, Ended, str]:
        """The run, if one was submitted: told, or found."""
        for process in self.ended:
            if found := re.match(rf"{self.graph.name} (r-\S+)", process.told):
                return found[1]
        listed = yield Wish(("runs",), works=False)
        self.ended.remove(listed.process)
        if self.unreachable and listed.process.code == 5:
            return (yield from self._find())
        runs = json.loads(listed.out) if listed.process.code == 0 else []
        return next((one["id"] for one in reversed(runs) if one["capsule"] == self.graph.name), "")

    def _decide(self, shown: Any) -> tuple[tuple[str, ...], float]:
        """The next command of a run that waits for people, and when."""
        gates = sorted(_waiting(shown))
        if not gates:
            raise Stuck("the run waits, and nobody is asked")
        due = [self.graph.gates[gate].due_s for gate in gates]
        if all(due) and self.draw.random() < 0.7:
            return ("resume", self.run), max(due)  # the date passes while nobody is at work
        gate = self.draw.choice(gates)
        agreed = self.agreed.setdefault(gate, [])
        left = [person for person in self.graph.gates[gate].users if person not in agreed]
        again = agreed and (not left or self.draw.random() < 0.4)
        person = agreed[0] if again else self.draw.choice(left)  # who says it again must not count twice
        return ("approve", self.run, gate, "--as", person), 0.0


def _waiting(shown: Any, above: str = "") -> set[str]:
    found = set()
    for name, step in shown["steps"].items():
        if "run" in step:
            found |= _waiting(step["run"], f"{above}{name}/")
        elif "waiting" in step:
            found.add(above + name)
    return found
