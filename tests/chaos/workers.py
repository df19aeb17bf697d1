"""Several runs and workers on one PostgreSQL; all die at random moments: workers, commands, the database.

The workers are `somagent serve --engine`, each of which is given a moment at which it dies, drawn uniformly from its
life, when it begins. Some are stopped for longer than their lease instead, and then go on for a moment. Beside them,
commands submit, follow, decide and cancel, and are killed as well; what they tell is what the judge holds the engine
to.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import AFRESH, Commands, Ended, Started, Stuck
from courses import Course, Wish
from graphs import draw_graph
from judge import Judgement, Process, judge, most_repeats

_LEASE_S = 1.0  # the shortest that there is
_LOOK_S = 0.003
_LONGEST_S = 60.0


@dataclass
class _Alive:
    """A process at work, and when it is stopped, goes on and dies; times are of the wall clock."""

    started: Started
    ends: dict[str, float] = field(default_factory=dict)  # `stop`, `go_on`, `kill`
    heard: list[tuple[float, str]] = field(default_factory=list)
    usurped: tuple[float, ...] = ()
    _read: int = 0

    def hear(self) -> None:
        """Notes the lines that it wrote since this was called last; they are not younger than now."""
        now = time.time()
        if self.started.err.stat().st_size > self._read:
            with self.started.err.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
            self._read += len(whole) + len(end)
            self.heard += [(now, line) for line in whole.decode(errors="replace").splitlines()]


class _Part:
    """One of the runs, and the command of it that is at work, or comes next."""

    def __init__(self, folder: Path, name: str, draw: random.Random, parallel: int, data: Path) -> None:
        folder.mkdir()
        (folder / ".somagent").symlink_to(data)
        graph = draw_graph(draw, str(folder / "marks"), name)
        graph.parallel = parallel
        graph.write(folder)
        self.folder, self.commands = folder, Commands(folder, draw)
        self.course = Course(graph, draw, self.commands.ended, unreachable=True)
        self.steps: Generator[Wish, Any, Any] = self.course.steps()
        self.wish: Wish | None = next(self.steps)
        self.at = 0.0
        self.alive: _Alive | None = None
        self.left = draw.randint(1, 3)
        self.final: Any = None
        self.error = ""


class SharedTrial:
    """A store of its own, with 3 to 6 runs, from the first process to the end of the last run."""

    def __init__(self, folder: Path, seed: str, given: argparse.Namespace, server: Any, usual_s: float) -> None:
        """The server is killed too when it is our own (a `databases.Server`); a worker is usually at work after that
        time, and lives for a multiple of it.
        """
        self.folder, self.draw, self._server = folder, random.Random(seed), server
        self._count, self._usurping, self._parallel = given.workers, given.usurping, self.draw.choice([2, 3, 4])
        data = folder / ".somagent"
        data.mkdir()
        self.parts = [
            _Part(folder / f"run{number}", f"graph{number}", self.draw, self._parallel, data)
            for number in range(self.draw.choice([3, 4, 6]))
        ]
        (folder / "workers").mkdir()
        (folder / "workers" / ".somagent").symlink_to(data)
        self._serving = Commands(folder / "workers", self.draw)
        self._workers: list[_Alive] = []
        self._left = self.draw.randint(3, 6) * given.workers  # workers that are to die
        self.usual_s, self._life_s = usual_s, usual_s * self.draw.choice([1.5, 4.0, 8.0])
        self._outage_at = time.time() + self.draw.uniform(0.1, 1.5) if server and self.draw.random() < 0.4 else None
        self._outages: list[float] = []
        self.counted: Counter[str] = Counter()

    def pursue(self) -> Judgement:
        """Kills and goes on until all runs have ended, and has each of them judged."""
        fault = ""
        try:
            self._work()
        except Stuck as stuck:
            fault = str(stuck)
        finally:
            self._end()
        return self._judged(fault)

    def _work(self) -> None:
        end = time.monotonic() + _LONGEST_S
        while any(part.wish for part in self.parts):
            if time.monotonic() > end:
                left = [part.course.run or part.folder.name for part in self.parts if part.wish]
                raise Stuck(f"after {_LONGEST_S:g} s these have not ended: {', '.join(left)}")
            if self._outage_at is not None and self._outage_at <= time.time() and self._server is not None:
                self._outage_at = None
                self._outages.append(time.time())
                self._server.kill()
                self._outages.append(time.time())
            while len(self._workers) < self._count:
                self._workers.append(self._worker())
            for worker in list(self._workers):
                if self._look_after(worker, self._serving) is not None:
                    self._workers.remove(worker)
            for part in self.parts:
                self._go_on(part)
            time.sleep(_LOOK_S)

    @property
    def outages(self) -> int:
        """How often the database died."""
        return len(self._outages) // 2

    def _worker(self) -> _Alive:
        lease = ("serve", "--engine", "--lease", f"{_LEASE_S:g}s", "--parallel", str(self._parallel))
        worker = _Alive(self._serving.start(*lease, afresh=self.draw.random() < AFRESH))
        if self._left > 0:
            self._left -= 1
            moment = worker.started.at + self.draw.uniform(0, self._life_s)
            if self.draw.random() < self._usurping:
                longer = moment + _LEASE_S * self.draw.uniform(1.05, 1.6)
                worker.ends = {"stop": moment, "go_on": longer, "kill": longer + self.draw.uniform(0, 0.3)}
            else:
                worker.ends = {"kill": moment}
        return worker

    def _look_after(self, one: _Alive, commands: Commands) -> Ended | None:
        """Does to the process what its time has come for; what became of it when it has ended."""
        if not one.heard:
            one.hear()
            if one.heard and commands is self._serving:
                self.usual_s = 0.9 * self.usual_s + 0.1 * (one.heard[0][0] - one.started.at)
        one.hear()
        now = time.time()
        if "stop" in one.ends and now >= one.ends["stop"]:
            del one.ends["stop"]
            os.kill(one.started.pid, signal.SIGSTOP)
            one.usurped = (now,)
        if "go_on" in one.ends and now >= one.ends["go_on"]:
            del one.ends["go_on"]
            one.usurped = (*one.usurped, now)
            os.kill(one.started.pid, signal.SIGCONT)
        dies = "kill" in one.ends and now >= one.ends["kill"]
        if dies or os.waitid(os.P_PID, one.started.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return self._bury(one, commands, kill=dies)
        if now > one.started.at + _LONGEST_S:
            raise Stuck(f"`{' '.join(one.started.command)}` was still at work after {_LONGEST_S:g} s")
        return None

    def _bury(self, one: _Alive, commands: Commands, *, kill: bool) -> Ended:
        try:
            ended = commands.wait(one.started, kill_after_s=0.0 if kill else None)
        finally:
            one.hear()
            process = commands.ended[-1]
            usurped = one.usurped if len(one.usurped) == 2 else ()
            commands.ended[-1] = process._replace(heard=one.heard, usurped=usurped)
        self.counted["kills"] += process.code == -signal.SIGKILL
        self.counted["usurped"] += bool(usurped) and "took over" in process.told
        return ended._replace(process=commands.ended[-1])

    def _go_on(self, part: _Part) -> None:
        """Begins the command that comes next for a run, or takes what became of it."""
        if part.wish is None:
            return
        if part.alive is None:
            if time.time() >= part.at:
                part.alive = _Alive(part.commands.start(*part.wish.command, afresh=self.draw.random() < AFRESH))
                if part.wish.works and part.left > 0 and self.draw.random() < 0.5:
                    part.left -= 1
                    part.alive.ends = {"kill": part.alive.started.at + self.draw.uniform(0, self._life_s)}
            return
        ended = self._look_after(part.alive, part.commands)
        if ended is None:
            return
        part.alive = None
        try:
            part.wish = part.steps.send(ended)
            part.at = time.time() + part.wish.after_s
        except StopIteration as end:
            part.final, part.wish = end.value, None
        except Stuck as stuck:
            part.error, part.wish = str(stuck), None

    def _end(self) -> None:
        """Ends what is at work; nothing is left to do, or somebody is stuck."""
        alive = [(worker, self._serving) for worker in self._workers]
        alive += [(part.alive, part.commands) for part in self.parts if part.alive is not None]
        kills = self.counted["kills"]
        for one, commands in alive:
            if not any(process.pid == one.started.pid for process in commands.ended):  # a fault of it is told
                with contextlib.suppress(Stuck):
                    self._bury(one, commands, kill=True)
        self.counted["kills"] = kills  # at no random moment

    def _judged(self, fault: str) -> Judgement:
        whole = Judgement(kills=self.counted["kills"])
        repeated: Counter[int] = Counter()
        for part in self.parts:
            error = part.error or (fault if part.final is None else "")
            processes = [*part.commands.ended, *self._serving.ended]
            history = {"processes": processes, "final": part.final, "error": error, "outages": self._outages}
            (part.folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
            one = judge(part.folder)
            whole.faults += [(kind, f"{part.folder.name}: {what}") for kind, what in one.faults]
            whole.steps, whole.repeats = whole.steps + one.steps, whole.repeats + one.repeats
            repeated.update(one.repeated)
        whole.usurped = self.counted["usurped"]
        for process in self._killed():
            most = most_repeats(process, self._parallel, self._outages)
            if repeated[process.pid] > most:
                whole.say("too many repeats", f"{repeated[process.pid]} of all runs after the kill of {process.pid}")
        return whole

    def _killed(self) -> list[Process]:
        return [one for one in self._serving.ended if one.code == -signal.SIGKILL]
