"""One life: a plan is submitted, processes work on it and die, people decide, until it has ended; all as drawn."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import Deaths, SimulatedStore
from plans import PEOPLE, Drawn, Gate, draw_plan
from work import operators, place_of
from world import Process, Weather, World

from somagent.operators.runner.records import Decision, StepKey
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.local.engine import LocalEngine
from somagent.workflows.engines.local.schema import open_reader
from somagent.workflows.engines.protocol import DecisionRefused, EngineError, RunView
from somagent.workflows.engines.watching import Watch

LEASE_S = 1.0
_POINTS = [f"{write}.{moment}" for write in ("begin", "record", "record", "end", "open", "start", "close", "child",
                                             "recover", "lease", "stop", "reserve")
           for moment in ("before", "written", "committed")]  # fmt: skip
Work = Callable[[LocalEngine], Awaitable[Any]]


@dataclass
class Life:
    """What the judge gets."""

    seed: int
    drawn: Drawn
    world: World
    run: str = ""
    view: RunView | None = None
    error: str = ""
    cancelled_us: int = 0  # when somebody asked for it
    set_by_us: int = 0  # how far the wall clock was set at the most
    rows: list[tuple[int, frozenset[Any]]] = field(default_factory=list)  # results in the file after each process


class Cast:
    """Starts the processes of a life, and is the people."""

    def __init__(self, life: Life, outside: Process, folder: Path) -> None:
        self.outside = outside
        self.life, self.world, self.drawn = life, life.world, life.drawn
        self.draw = random.Random(f"cast {life.seed}")
        self.folder = folder
        self.faults = self.draw.choice([0, 1, 1, 2, 3, 5])
        self.keeper: sqlite3.Connection | None = None

    async def live(self) -> None:
        """Until the run has ended."""
        life = self.life
        process = await self._run("submit", self._submit)
        life.run = process.result
        self.keeper = open_reader(self.folder / "journal.sqlite3")  # so that the WAL stays, as after a death
        while True:
            process = await self._run("run", lambda engine: engine.run(life.run), faulty=True)
            view = process.result
            if not isinstance(view, RunView):
                continue
            if view.ended_at is not None:
                life.view = view
                return
            await self._decide()

    async def _submit(self, engine: LocalEngine) -> str:
        return await engine.submit(self.drawn.plan, {}, submitter="ada", files={})

    async def _run(self, name: str, work: Work, *, faulty: bool = False) -> Process:
        """A process from its start to its end."""
        process = self.start(name, work, faulty=faulty)
        await self.world.until(lambda: bool(process.over))
        self._look()
        return process

    def start(self, name: str, work: Work, *, faulty: bool = False) -> Process:
        """A new process; with `faulty` something may happen to it, as long as something is left to happen."""
        process = self.world.process(name)
        deaths = Deaths(process)
        store = SimulatedStore(self.folder, process)
        if faulty and self.faults and self.draw.random() < 0.8:
            self.faults -= 1
            deaths = self._fault(process, store)
        process.start(self._main(process, store, deaths, work))
        return process

    def _fault(self, process: Process, store: SimulatedStore) -> Deaths:
        draw = self.draw
        match draw.choice(["count", "count", "point", "point", "time"]):
            case "count":
                process.left, process.meets = draw.choice([draw.randint(0, 60), draw.randint(0, 400)]), process.die
            case "point":
                return Deaths(process, draw.choice(_POINTS), draw.choice([1, 1, 2, 3, 5, 8]))
            case "time":
                self.world.at(self.world.now_us + draw.randint(0, 1_500_000), process.die)
        return Deaths(process)

    async def _main(self, process: Process, store: SimulatedStore, deaths: Deaths, work: Work) -> Any:
        world = self.world
        engine = LocalEngine(
            self.folder,
            operators(process, self.drawn),
            clock=Clock(world.wall, process.loop.time),
            parallel=self.drawn.parallel,
            token=lambda: f"{world.draw.getrandbits(16):04x}",
            crash=deaths,
            lease_s=LEASE_S,
            store=store,
            limits=self.drawn.limits,
        )
        if self.life.run:
            self._listen(process, engine.watch(self.life.run))
        async with engine:
            return await work(engine)

    def _listen(self, process: Process, watch: Watch) -> None:
        """Writes down what the process tells, the moment that it does."""

        def heard() -> None:
            while watch.events.qsize():
                event = watch.events.get_nowait()
                place = place_of(event.key) if event.key.step else event.key.run
                self.world.log(process, f"told {event.kind}", place, (event.phase, event.attempt))

        process.after = heard

    def _look(self) -> None:
        """What is in the file is recorded, whoever was told."""
        if self.keeper is not None:
            found = self.keeper.execute("SELECT run, step, item, phase FROM results").fetchall()
            rows = frozenset((place_of(StepKey(*row[:3])), row[3]) for row in found)
            self.life.rows.append((len(self.world.entries), rows))

    async def _decide(self) -> None:
        """The run waits: people answer, or time passes until somebody need not."""
        assert self.keeper is not None
        await asyncio.sleep(self.draw.choice([0, 0.05, 0.9]))
        for place, gate in self.drawn.gates.items():
            if gate.answer:
                for person in self.draw.sample(PEOPLE, gate.count if gate.answer == "approve" else 1):
                    await self._answer(place, gate, person)

    async def _answer(self, place: str, gate: Gate, person: str) -> None:
        above, _, step = place.rpartition("/")
        run = self.life.run + above

        async def signal(engine: LocalEngine) -> str:
            decision = Decision(step=step, by=person, approve=gate.answer == "approve", at=self.world.wall())
            with suppress(DecisionRefused, EngineError):
                await engine.signal(run, decision)
                return "accepted"
            return "refused"

        self.world.log(self.outside, "answers", place, person)
        process = await self._run("decide", signal)
        self.world.log(process, "decided", place, (person, gate.answer, process.result))


def live(seed: int, folder: Path) -> Life:
    """Lives the life of a seed in an empty folder."""
    draw = random.Random(f"life {seed}")
    weather = Weather(in_order=draw.random() < 0.4, commit_us=draw.choice([0, 0, 3_000, 40_000]))
    life = Life(seed, draw_plan(draw), World(seed, weather))
    outside = life.world.process("world")
    cast = Cast(life, outside, folder)
    outside.start(cast.live())
    try:
        life.world.run(outside)
        if isinstance(outside.result, BaseException):
            life.error = outside.over
    except Exception as error:
        life.error = f"{type(error).__name__}: {error}"
    finally:
        if cast.keeper is not None:
            cast.keeper.close()
    return life
