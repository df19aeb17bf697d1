"""One life: a plan is submitted, processes work on it and die, people decide, until it has ended; all as drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plans import GOOD, Drawn, draw_plan
from world import Entry, Weather, World

from somagent.workflows.engines.protocol import RunView


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
    rows: list[tuple[int, frozenset[Any]]] = field(default_factory=list)  # results in the file after each process
    before: Life | None = None  # the run that this one is a retry of
    first: int = 0  # where in the world's log it begins
    last: int | None = None

    @property
    def entries(self) -> list[Entry]:
        """Its part of the world's log."""
        return self.world.entries[self.first : self.last]

    @property
    def acts(self) -> list[Life]:
        """The runs that it goes back to, and itself."""
        return [*self.before.acts, self] if self.before is not None else [self]

    @property
    def kept(self) -> frozenset[str]:
        """The steps that a retry takes over."""
        steps = self.before.view.steps if self.before is not None and self.before.view is not None else []
        nodes = {node.id for node in self.drawn.plan.nodes}  # `finally` runs in every run
        return frozenset(step.id for step in steps if step.phase in GOOD and step.id in nodes)


def live(seed: int, folder: Path) -> Life:
    """Lives the life of a seed in an empty folder."""
    from cast import Cast

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
            life.error = outside.over
    except Exception as error:
        life.error = f"{type(error).__name__}: {error}"
    finally:
        cast.close()
    return life
