"""Who acts in a life: processes that work on the run, one after another or beside each other, and people.

A plan is submitted, processes work on it and die, people decide, until it has ended; all as drawn.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from faults import fault
from life import Life
from machine import Connections, Deaths, SimulatedStore
from plans import PEOPLE, draw_plan
from work import operators, place_of
from world import Process, Weather, World

from somagent.operators.runner.records import Decision, StepKey
from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.local.engine import LocalEngine
from somagent.workflows.engines.local.schema import open_reader
from somagent.workflows.engines.local.worker import Worker
from somagent.workflows.engines.protocol import DecisionRefused, EngineError, RunView, StepView, UnknownRun
from somagent.workflows.pursuing import pursue

LEASE_S = 1.0


class Cast:
    """Starts everybody; `outside` is the process that is none of the machine's, and that nothing happens to."""

    def __init__(self, life: Life, outside: Process, folder: Path, *, pauses: bool) -> None:
        self.life, self.world, self.drawn = life, life.world, life.drawn
        self.outside, self.folder, self.pauses = outside, folder, pauses
        self.draw = random.Random(f"cast {life.seed}")
        self.faults = self.draw.choice([0, 1, 1, 2, 3, 5])
        self.keeper: sqlite3.Connection | None = None  # reads the file, and keeps the WAL, as after a death
        self.connections = Connections()
        self.asked: set[str] = set()  # gates at which people have been asked

    def close(self) -> None:
        self.connections.close()
        if self.keeper is not None:
            self.keeper.close()

    async def live(self) -> None:
        """Until the run has ended, and everybody is gone."""
        self.life.run = (await self._over(self.start("submit", self._submit))).result
        self.keeper = open_reader(self.folder / "journal.sqlite3")
        self._arrange()
        await self._pursued()
        again = random.Random(f"again {self.life.seed}")
        view = self.life.view
        if view is not None and view.phase != "Succeeded" and again.random() < 0.5:
            self.life.last = len(self.world.entries)
            new = (await self._over(self.start("retry", self._retry))).result
            self.life = Life(self.life.seed, self.drawn, self.world, run=new, before=self.life, first=self.life.last)
            self.asked.clear()
            self.faults = again.choice([0, 1, 2])
            await self._pursued()

    async def _pursued(self) -> None:
        while (view := await self._worked()) is None or view.ended_at is None:
            self._ask(view.steps if view is not None else (), "")
            await asyncio.sleep(self.draw.choice([0, 0.1, 0.4]))
        await self.world.until(lambda: all(one.over or one is self.outside for one in self.world.processes))
        self._look()
        self.life.view = (await self._over(self.start("show", self._show))).result

    def _arrange(self) -> None:
        """What happens whoever is at work: somebody cancels, somebody sets the clock."""
        world, draw = self.world, self.draw
        if draw.random() < 0.12:
            world.at(world.now_us + draw.randint(0, 1_500_000), lambda: self.outside.loop.create_task(self._cancel()))
        if draw.random() < 0.12:
            for _ in range(draw.randint(1, 3)):
                by_us = draw.choice([-3_000_000, -60_000, 60_000, 2_000_000, 3_600_000_000])  # due dates wait for it
                world.at(world.now_us + draw.randint(0, 1_500_000), lambda by_us=by_us: world.set_clock(by_us))

    async def _worked(self) -> RunView | None:
        """A process works on the run until it is over, or stopped: then another one may come."""
        kind = self.draw.choice(["run", "run", "pursue", "serve"])
        process = self.start(kind, {"run": self._run, "pursue": self._pursue, "serve": self._serve}[kind], faulty=True)
        await self.world.until(lambda: bool(process.over) or process.paused)
        if process.paused:
            await asyncio.sleep(self.draw.choice([0.1, 0.8, LEASE_S + 0.1, LEASE_S + 1]))
        self._look()
        return process.result if isinstance(process.result, RunView) else None

    async def _submit(self, make: Maker) -> str:
        async with make() as engine:
            return await engine.submit(self.drawn.plan, {}, submitter="ada", files={})

    async def _retry(self, make: Maker) -> str:
        async with make() as engine:
            return await engine.retry_from(self.life.run)

    async def _run(self, make: Maker) -> RunView:
        async with make() as engine:
            return await engine.run(self.life.run)

    async def _pursue(self, make: Maker) -> RunView:
        async with make() as engine:
            return await pursue(engine, self.life.run)

    async def _show(self, make: Maker) -> RunView:
        async with make() as engine:
            return engine.view(self.life.run)

    async def _serve(self, make: Maker) -> RunView:
        worker = Worker(make.store, make, lambda _: None, now=self.world.wall, grace_s=1)
        serving = asyncio.create_task(worker.serve())
        until = asyncio.get_running_loop().time() + self.draw.choice([0.5, 3, 60])
        while not serving.done():
            if not worker.is_stopping and (self._has_ended() or asyncio.get_running_loop().time() > until):
                self.world.log(make.process, "is told to stop")
                worker.stop()
            await asyncio.wait([serving], timeout=0.3)
        serving.result()
        async with make() as engine:
            return engine.view(self.life.run)

    def _has_ended(self) -> bool:
        assert self.keeper is not None
        query = "SELECT ended_at FROM runs WHERE id = ?"
        return self.keeper.execute(query, (self.life.run,)).fetchone()[0] is not None

    def start(self, name: str, work: Callable[[Maker], Awaitable[Any]], *, faulty: bool = False) -> Process:
        """A new process; with `faulty` something may happen to it, as long as something is left to happen."""
        process = self.world.process(name)
        store = SimulatedStore(self.folder, process, self.connections)
        deaths = Deaths(process)
        if faulty and self.faults and self.draw.random() < 0.8:
            self.faults -= 1
            deaths = fault(self.draw, process, store, LEASE_S, pauses=self.pauses)
        process.start(work(Maker(self, process, store, deaths)))
        return process

    async def _over(self, process: Process) -> Process:
        await self.world.until(lambda: bool(process.over))
        return process

    def _look(self) -> None:
        """What is in the file is recorded, whoever was told."""
        assert self.keeper is not None
        query = "SELECT run, step, item, phase FROM results WHERE run = ? OR run LIKE ?"
        found = self.keeper.execute(query, (self.life.run, f"{self.life.run}.%")).fetchall()
        rows = frozenset((place_of(StepKey(*row[:3])), row[3]) for row in found)
        self.life.rows.append((len(self.world.entries) - self.life.first, rows))

    def _ask(self, steps: Any, above: str) -> None:
        """Whom the run waits for is asked, if they have not been told."""
        step: StepView
        for step in steps:
            if step.inner is not None:
                self._ask(step.inner.steps, f".{step.id}")
            elif step.phase == "Waiting":
                self.told_waiting(f"{above}/{step.id}")

    def told_waiting(self, place: str) -> None:
        """People decide some time after they are asked, one after the other; some say it twice."""
        gate = self.drawn.gates.get(place)
        if gate is None or not gate.answer or place in self.asked:
            return
        self.asked.add(place)
        people = self.draw.sample(PEOPLE, gate.count if gate.answer == "approve" else 1)
        if self.draw.random() < 0.4:
            people.insert(1, people[0])
        delay_us = self.draw.choice([0, 1_000, 300_000, 1_200_000])
        work = self._decide(place, people)
        self.world.at(self.world.now_us + delay_us, lambda: self.outside.loop.create_task(work))

    async def _decide(self, place: str, people: list[str]) -> None:
        above, _, step = place.rpartition("/")
        approve = self.drawn.gates[place].answer == "approve"
        for person in people:

            async def signal(make: Maker, person: str = person) -> str:
                decision = Decision(step=step, by=person, approve=approve, at=self.world.wall())
                async with make() as engine:
                    try:
                        await engine.signal(self.life.run + above, decision)
                    except (DecisionRefused, UnknownRun) as refused:  # a retry may not have come so far
                        return f"refused: {type(refused).__name__}"
                return "accepted"

            self.world.log(self.outside, "answers", place, person)
            process = await self._over(self.start("decide", signal))
            self.world.log(process, "decided", place, (person, approve, process.result))
            await asyncio.sleep(self.draw.choice([0.001, 0.2, 1]))

    async def _cancel(self) -> None:
        async def cancel(make: Maker) -> str:
            async with make() as engine:
                try:
                    await engine.cancel(self.life.run, by="bob")
                except EngineError as refused:
                    return f"refused: {type(refused).__name__}"
            return "accepted"

        self.life.cancelled_us = self.world.now_us
        self.world.log(self.outside, "asks to cancel")
        process = await self._over(self.start("cancel", cancel))
        self.world.log(process, "cancel", self.life.run, process.result)


class Maker:
    """Makes the engines of a process."""

    def __init__(self, cast: Cast, process: Process, store: SimulatedStore, deaths: Deaths) -> None:
        self.cast, self.process, self.store, self.deaths = cast, process, store, deaths

    def __call__(self) -> LocalEngine:
        cast, process, world = self.cast, self.process, self.cast.world
        engine = LocalEngine(
            cast.folder,
            operators(process, cast.drawn),
            clock=Clock(world.wall, process.loop.time),
            parallel=cast.drawn.parallel,
            token=lambda: f"{world.draw.getrandbits(16):04x}",
            crash=self.deaths,
            lease_s=LEASE_S,
            store=self.store,
            limits=cast.drawn.limits,
        )
        if cast.life.run:
            self._listen(engine)
        return engine

    def _listen(self, engine: LocalEngine) -> None:
        """Writes down what the engine tells, the moment that it does."""
        watch = engine.watch(self.cast.life.run)

        def heard() -> None:
            while watch.events.qsize():
                event = watch.events.get_nowait()
                place = place_of(event.key) if event.key.step else event.key.run
                self.cast.world.log(self.process, f"told {event.kind}", place, (event.phase, event.attempt))
                if event.kind == "waiting":
                    self.cast.told_waiting(place)

        self.process.after = heard


def live(seed: int, folder: Path) -> Life:
    """Lives the life of a seed in an empty folder."""
    draw = random.Random(f"life {seed}")
    weather = Weather(in_order=draw.random() < 0.4, commit_us=draw.choice([0, 0, 3_000, 40_000]))
    weather.thread_us = draw.choice([0, 2_000])
    world = World(seed, weather)
    hasty = draw.random() < 0.5  # a process that is stopped for a while misses its deadlines, so it is one or the other
    life = Life(seed, draw_plan(draw, hasty=hasty), world)
    outside = world.process("world")
    cast = Cast(life, outside, folder, pauses=not hasty)
    outside.start(cast.live())
    try:
        world.run(outside)
        life = cast.life
        if isinstance(outside.result, BaseException):
            life.error = f"{outside.over}: {outside.result}"
    except Exception as error:
        life.error = f"{type(error).__name__}: {error}"
    finally:
        cast.close()
    return life
