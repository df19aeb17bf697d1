"""One life: a plan is submitted, processes work on it and die, people decide, until it has ended; all as drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plans import Drawn, draw_plan
from world import Weather, World

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
        if isinstance(outside.result, BaseException):
            life.error = outside.over
    except Exception as error:
        life.error = f"{type(error).__name__}: {error}"
    finally:
        cast.close()
    return life
