"""What may happen to a process: drawn when it starts, met after some of its callbacks, at a commit, or at a time."""

from __future__ import annotations

import random

from machine import Deaths, SimulatedStore
from world import Process

_WRITES = ("begin", "record", "record", "end", "open", "start", "close", "child", "recover", "lease", "stop", "reserve")
POINTS = [f"{write}.{moment}" for write in _WRITES for moment in ("before", "written", "committed")]
_KINDS = {"callbacks": 5, "point": 5, "time": 2, "pause": 4, "disk": 3}


def fault(draw: random.Random, process: Process, store: SimulatedStore, lease_s: float, *, pauses: bool) -> Deaths:
    """Draws one, arranges it, and gives the hook for the process's engines."""
    soon = draw.choice([draw.randint(0, 60), draw.randint(0, 400)])
    kinds = _KINDS if pauses else {kind: weight for kind, weight in _KINDS.items() if kind != "pause"}
    match draw.choices(list(kinds), list(kinds.values()))[0]:
        case "callbacks":
            process.left, process.meets = soon, process.die
        case "point":
            return Deaths(process, draw.choice(POINTS), draw.choice([1, 1, 2, 3, 5, 8]))
        case "time":
            process.world.at(process.world.now_us + draw.randint(0, 1_500_000), process.die)
        case "pause":
            for_us = draw.choice([draw.randint(1, 200_000), round(draw.uniform(0.5, 4) * lease_s * 1_000_000)])
            process.left, process.meets = soon, lambda: _pause(process, for_us)
        case "disk":
            store.full_after, store.fails_late = draw.choice([1, 2, 3, 5, 8, 13]), draw.random() < 0.4
            store.full_for = draw.choice([1, 1_000])
    return Deaths(process)


def _pause(process: Process, for_us: int) -> None:
    process.pause()
    process.world.at(process.world.now_us + for_us, process.go_on)
