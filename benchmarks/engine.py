"""How much the local engine adds to the disk's own fsync, beside LangGraph with its durable SQLite checkpoints.

`python benchmarks/engine.py [--rounds 5] [--directory DIR]`. Both run 100 steps that do nothing, as a chain and ten
wide, each durable before the next may start; every measurement is a process of its own, rounds take turns, medians are
shown, and F is measured in every round, since a shared disk changes by the minute. LangGraph comes with
`pip install -r requirements/bench.txt`; without it its rows are left out, and the table says so.

Goals: chain <= F + 0.3 ms a step, fan-out <= F/5 + 0.1 ms a step.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS, WIDTH, RUNS = 100, 10, 6


def fsync_ms(directory: Path) -> float:
    """F: median of `fdatasync` after appending the three pages that a commit writes."""
    times = []
    with (directory / "fsync").open("wb", buffering=0) as file:
        for _ in range(300):
            file.write(b"x" * 3 * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def local(directory: Path, shape: str) -> float:
    """Milliseconds a step: median of the runs in this process after the first."""
    import asyncio

    from msgspec import Struct

    from somagent.capsule_compiler.catalogue import OperatorEntry
    from somagent.capsule_compiler.plan import CapsuleInfo, Edge, FanOut, Node, Plan, RuleBook, Template, digest_of
    from somagent.governance.constitution import default_constitution
    from somagent.operators.operator import Answer, Operator, Step
    from somagent.workflows.engines.local import LocalEngine

    class Nothing(Struct):
        """No arguments."""

    async def nothing(_: Nothing, __: Step) -> Answer:
        return Answer({})

    operator = Operator(OperatorEntry(name="nothing", summary="Does nothing", arguments={}), Nothing, nothing)

    def node(step: str, needs: list[str], fan_out: FanOut | None = None) -> Node:
        edges = [Edge(step=need, kind="order") for need in needs]
        return Node(
            id=step, operator="nothing", arguments=Template(value={}), needs=edges, fan_out=fan_out, timeout_ms=60_000
        )

    if shape == "forEach":
        items = FanOut(
            items=Template(value=list(range(STEPS))), name="n", item_schema={"type": "integer"}, max_parallel=WIDTH
        )
        nodes = [node("many", [], items)]
    else:
        nodes = [node(name, needs) for name, needs in graph(shape)]
    book = default_constitution()
    plan = Plan(
        format="plan/v1",
        capsule=CapsuleInfo(name="nothing"),
        constitution=RuleBook(name=book.name, version=book.version, digest=book.digest, document=dict(book.document)),
        nodes=nodes,
        catalogue=digest_of(b""),
    )

    async def main() -> float:
        took = []
        async with LocalEngine(directory, {"nothing": operator}, parallel=WIDTH) as engine:
            for _ in range(RUNS):
                run = await engine.submit(plan, {}, submitter="bench", files={})
                start = time.perf_counter()
                view = await engine.run(run)
                took.append(time.perf_counter() - start)
                if view.phase != "Succeeded":
                    raise RuntimeError(view.failure)
        return statistics.median(took[1:]) / STEPS * 1000

    return asyncio.run(main())


def langgraph(directory: Path, shape: str) -> float:
    """Milliseconds a step: median of the runs in this process after the first, durability=sync."""
    import operator
    from typing import Annotated, TypedDict

    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import START, StateGraph

    # With class syntax LangGraph could not look the annotation up, which is local.
    state = TypedDict("state", {"done": Annotated[int, operator.add]})  # noqa: UP013
    builder = StateGraph(state)
    for name, needs in graph(shape):
        builder.add_node(name, lambda _: {"done": 1})
        builder.add_edge(needs or START, name)
    took = []
    with SqliteSaver.from_conn_string(str(directory / "langgraph.sqlite3")) as saver:
        compiled = builder.compile(checkpointer=saver)
        for number in range(RUNS):
            config: Any = {"configurable": {"thread_id": str(number)}, "recursion_limit": 1000}
            start = time.perf_counter()
            end = compiled.invoke({"done": 0}, config, durability="sync")
            took.append(time.perf_counter() - start)
            if end["done"] != STEPS:
                raise RuntimeError(end)
    return statistics.median(took[1:]) / STEPS * 1000


def graph(shape: str) -> list[tuple[str, list[str]]]:
    """Names and needs: a chain, or layers ten wide in which each step needs all of the layer before."""
    if shape == "chain":
        return [(f"s{n}", [f"s{n - 1}"] if n else []) for n in range(STEPS)]
    layers = [[f"s{layer}_{n}" for n in range(WIDTH)] for layer in range(STEPS // WIDTH)]
    return [(name, layers[at - 1] if at else []) for at, layer in enumerate(layers) for name in layer]


ENGINES: dict[str, Callable[[Path, str], float]] = {"local": local, "langgraph": langgraph}


def measured(engine: str, shape: str, directory: Path) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--one", engine, shape, "--directory", str(directory)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - start
    answer: dict[str, float] = json.loads(done.stdout)
    return answer | {"process_s": wall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure (default: here)")
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "SHAPE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        engine, shape = arguments.one
        ms = ENGINES[engine](arguments.directory, shape)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        print(json.dumps({"ms": ms, "rss_mb": peak / 1e6}))
        return
    rows = [("local", "chain"), ("local", "layers"), ("local", "forEach")]
    if importlib.util.find_spec("langgraph"):
        rows += [("langgraph", "chain"), ("langgraph", "layers")]
    else:
        print("LangGraph is not installed (pip install -r requirements/bench.txt): its rows are left out")
    found: dict[tuple[str, str], list[dict[str, float]]] = {row: [] for row in rows}
    fsyncs = []
    for _ in range(arguments.rounds):
        for row in rows:
            with tempfile.TemporaryDirectory(prefix=".bench-", dir=arguments.directory) as folder:
                before = fsync_ms(Path(folder))
                found[row].append(measured(*row, Path(folder)))
                fsyncs.append((before + fsync_ms(Path(folder))) / 2)
    show(statistics.median(fsyncs), min(fsyncs), max(fsyncs), found)


def show(f: float, low: float, high: float, found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """The table."""
    print(f"F = {f:.3f} ms (fdatasync of 12 KiB appended; {low:.3f}-{high:.3f} over the rounds)")
    print("engine     shape     ms/step         min-max   over F    goal  RSS MB  process s")
    for (engine, shape), results in found.items():
        ms = [result["ms"] for result in results]
        goal = f + 0.3 if shape == "chain" else f / 5 + 0.1
        print(
            f"{engine:10} {shape:8} {statistics.median(ms):8.3f} {f'{min(ms):.3f}-{max(ms):.3f}':>15} "
            f"{statistics.median(ms) - f:8.3f} {goal:7.3f} "
            f"{max(result['rss_mb'] for result in results):7.1f} "
            f"{statistics.median(result['process_s'] for result in results):10.2f}"
        )


if __name__ == "__main__":
    main()
