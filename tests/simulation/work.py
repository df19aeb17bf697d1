"""What steps do in the simulation: they last, they fail, they are cut off, and the world's log says what happened."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from msgspec import Struct
from plans import Drawn, Want
from world import Process

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts
from somagent.operators.operator import Answer, Operator, Step, StepFailure
from somagent.operators.review import OPERATOR as REVIEW
from somagent.operators.runner.records import StepKey

TOO_LONG_US = 250_000


class Work(Struct):
    """What a step is given."""

    inputs: list[Any] = []  # values of the steps that it reads
    tokens: int = 0


def place_of(key: StepKey) -> str:
    """The same in every run of the plan."""
    return re.sub(r"^[^./]+", "", str(key))


def operators(process: Process, drawn: Drawn) -> dict[str, Operator]:
    """The operators that are installed in a process: of another package, of our own, and the real review."""
    world = process.world

    async def work(given: Work, step: Step) -> Answer:
        place = place_of(step.key)
        want = drawn.places.get(place) or Want()
        fate = want.always or next(iter(want.fails[world.failed[place] :]), "")
        lasts_us = want.timeout_us + TOO_LONG_US if fate == "timeout" else want.lasts_us
        world.log(process, "begin", place, (step.attempt, given.inputs))
        try:
            await asyncio.sleep(lasts_us / 1_000_000)
        except asyncio.CancelledError:
            world.log(process, "cut off", place, (step.attempt,))
            raise
        if fate == "invalid_output":
            world.log(process, "failed", place, (step.attempt, fate))
            return Answer({"value": 7}, Amounts())
        if fate:
            world.log(process, "failed", place, (step.attempt, fate))
            raise StepFailure(fate, "as it was drawn")  # type: ignore[arg-type]
        value = f"{place}#{world.draw.getrandbits(32):08x}"
        world.log(process, "end", place, (step.attempt, value))
        return Answer({"value": value}, Amounts(tokens=given.tokens))

    def operator(name: str, *, core: bool) -> Operator:
        entry = OperatorEntry(name=name, summary="Work", arguments={}, core=core)
        return Operator(entry, Work, work, estimate=lambda given: Amounts(tokens=given.tokens))

    return {"work": operator("work", core=False), "heavy": operator("heavy", core=True), "review": REVIEW}
