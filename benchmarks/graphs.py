"""The graphs that engines are measured with, as names and needs and as plans, and what their steps do."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import CapsuleInfo, Edge, FanOut, Node, Plan, RuleBook, Template, digest_of
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Answer, Operator, Park, Step
from somagent.operators.runner.records import Waiting

WIDTH = 10
SLEEP_S = 0.2


class Nothing(Struct):
    """No arguments."""


async def _nothing(_: Nothing, __: Step) -> Answer:
    return Answer({})


async def _sleep(_: Nothing, __: Step) -> Answer:
    await asyncio.sleep(SLEEP_S)
    return Answer({})


async def _ask(_: Nothing, __: Step) -> Park:
    """Waits for people, for ever."""
    return Park(Waiting(title="?"))


def operator(name: str, run: object) -> Operator:
    """An operator without arguments."""
    return Operator(OperatorEntry(name=name, summary="", arguments={}), Nothing, run)  # type: ignore[arg-type]


OPERATORS = {name: operator(name, run) for name, run in (("nothing", _nothing), ("sleep", _sleep), ("ask", _ask))}


def chain(steps: int) -> list[tuple[str, list[str]]]:
    """Names and needs of steps that need the one before."""
    return [(f"s{n}", [f"s{n - 1}"] if n else []) for n in range(steps)]


def layers(steps: int) -> list[tuple[str, list[str]]]:
    """Layers ten wide, in which each step needs all of the layer before."""
    found = [[f"s{layer}_{n}" for n in range(WIDTH)] for layer in range(steps // WIDTH)]
    return [(name, found[at - 1] if at else []) for at, layer in enumerate(found) for name in layer]


def plan_of(graph: Sequence[tuple[str, list[str]]], *operators: str) -> Plan:
    """The graph as a plan; the last of the operators is that of all further steps."""
    return _plan(
        [
            Node(
                id=name,
                operator=operators[min(at, len(operators) - 1)],
                arguments=Template(value={}),
                needs=[Edge(step=need, kind="order") for need in needs],
                timeout_ms=60_000,
            )
            for at, (name, needs) in enumerate(graph)
        ]
    )


def for_each(items: int) -> Plan:
    """One step that fans out, ten at once."""
    many = FanOut(
        items=Template(value=list(range(items))), name="n", item_schema={"type": "integer"}, max_parallel=WIDTH
    )
    return _plan([Node(id="many", operator="nothing", arguments=Template(value={}), fan_out=many, timeout_ms=60_000)])


def _plan(nodes: list[Node]) -> Plan:
    book = default_constitution()
    rules = RuleBook(name=book.name, version=book.version, digest=book.digest, document=dict(book.document))
    return Plan(
        format="plan/v1",
        capsule=CapsuleInfo(name="nothing"),
        constitution=rules,
        nodes=nodes,
        catalogue=digest_of(b"nothing"),
    )


def fsync_ms(directory: Path) -> float:
    """F: median of `fdatasync` after appending the three pages that a commit writes."""
    times = []
    path = directory / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(300):
            file.write(b"x" * 3 * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return statistics.median(times) * 1000
