"""How much the local engine adds to the disk's own fsync, beside LangGraph and DBOS on the same graphs.

`python benchmarks/engine.py [--rounds 5] [--directory DIR]`. 100 steps that do nothing, as a chain and ten wide, each
durable before the next may start, and 20 steps that sleep 0.2 s, ten at once. Every measurement is a process of its
own, rounds take turns, and of each process the median of its runs after the first is taken. F is measured around
every measurement, since a shared disk changes by the minute; *over F* is the median over the rounds of what was
measured less the F beside it. How the others are set up is said in `rivals`; they come with `pip install -r
requirements/bench.txt`, and without them their rows are left out, and the table says so. The last rows are
`benchmarks/start.py`.

Goals: chain <= F + 0.3 ms a step, fan-out <= F/5 + 0.1 ms a step, sleeping 0.41 s, first journaled result 0.3 s.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import start
from graphs import OPERATORS, WIDTH, chain, for_each, fsync_ms, layers, plan_of
from rivals import RIVALS
from timing import peak_mb

STEPS, SLEEPS, RUNS = 100, 20, 6
SHAPES = ("chain", "layers", "forEach", "sleep")
GOALS: dict[str, Callable[[float], float]] = {
    "chain": lambda f: f + 0.3,
    "layers": lambda f: f / 5 + 0.1,
    "forEach": lambda f: f / 5 + 0.1,
    "sleep": lambda _: 410 / SLEEPS,
}
Row = tuple[str, str]  # engine and shape
Found = dict[str, float]


def local(directory: Path, shape: str) -> list[tuple[float, float]]:
    """Wall clock and CPU seconds of each run."""
    import asyncio

    from somagent.workflows.engines.local import LocalEngine

    plan = for_each(STEPS) if shape == "forEach" else plan_of(graph(shape), "sleep" if shape == "sleep" else "nothing")

    async def main() -> list[tuple[float, float]]:
        took = []
        async with LocalEngine(directory, OPERATORS, parallel=WIDTH) as engine:
            for _ in range(RUNS):
                run = await engine.submit(plan, {}, submitter="bench", files={})
                begun = time.perf_counter(), time.process_time()
                view = await engine.run(run)
                took.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
                if view.phase != "Succeeded":
                    raise RuntimeError(view.failure)
        return took

    return asyncio.run(main())


def graph(shape: str) -> list[tuple[str, list[str]]]:
    """Names and needs."""
    return chain(STEPS) if shape == "chain" else layers(SLEEPS if shape == "sleep" else STEPS)


def one(engine: str, shape: str, directory: Path) -> Found:
    """Milliseconds a step: the median of the runs in this process after the first."""
    if engine == "local":
        took = local(directory, shape)
    else:
        took = RIVALS[engine](directory, graph(shape), RUNS, sleeps=shape == "sleep")
    wall, cpu = (statistics.median(times) for times in zip(*took[1:], strict=True))
    steps = SLEEPS if shape == "sleep" else STEPS
    return {"ms": wall / steps * 1000, "cpu": cpu / steps * 1000, "rss_mb": peak_mb()}


def measured(row: Row, directory: Path) -> Found:
    """One measurement in a process of its own."""
    before = fsync_ms(directory)
    command = [sys.executable, __file__, "--one", *row, "--directory", str(directory)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    wall = time.perf_counter() - begun
    found: Found = json.loads(done.stdout)
    return found | {"process_s": wall, "f": (before + fsync_ms(directory)) / 2}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure (default: here)")
    parser.add_argument("--engines", nargs="+", default=["local", *RIVALS], help="default: all")
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "SHAPE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one, arguments.directory)))
        return
    rows: list[Row] = []
    for engine in arguments.engines:
        if engine == "local" or importlib.util.find_spec(engine):
            rows += [(engine, shape) for shape in SHAPES if engine == "local" or shape != "forEach"]
        else:
            print(f"{engine} is not installed (pip install -r requirements/bench.txt): its rows are left out")
    found: dict[Row, list[Found]] = {row: [] for row in rows}
    for _ in range(arguments.rounds):
        for row in rows:
            with tempfile.TemporaryDirectory(prefix=".bench-", dir=arguments.directory) as folder:
                found[row].append(measured(row, Path(folder)))
    show(found)
    print()
    start.show(arguments.rounds)


def show(found: dict[Row, list[Found]]) -> None:
    """The table; a sleeping graph is shown as a whole, in seconds."""

    def median(results: list[Found], what: Callable[[Found], float]) -> float:
        return statistics.median(map(what, results))

    fs = [result["f"] for results in found.values() for result in results]
    f = statistics.median(fs)
    print(f"F = {f:.3f} ms (fdatasync of 12 KiB appended; {min(fs):.3f}-{max(fs):.3f} over all measurements)")
    print(
        f"{'engine':<10}{'shape':<9}{'ms/step':>9}{'min-max':>16}{'over F':>8}{'goal':>8}{'goal met':>9}"
        f"{'CPU ms':>8}{'x local':>8}{'RSS MB':>8}{'process s':>10}"
    )
    base: dict[str, float] = {}
    for (engine, shape), results in found.items():
        ms = median(results, lambda one: one["ms"])
        base.setdefault(shape, ms)
        # Each measurement is held against the F that was measured beside it.
        goal = median(results, lambda one: GOALS[shape](one["f"]))  # noqa: B023 - called before the next round
        beyond = median(results, lambda one: one["ms"] - GOALS[shape](one["f"]))  # noqa: B023
        over: Any = f"{median(results, lambda one: one['ms'] - one['f']):.3f}" if shape != "sleep" else ""
        spread = f"{min(one['ms'] for one in results):.3f}-{max(one['ms'] for one in results):.3f}"
        print(
            f"{engine:<10}{shape:<9}{ms:>9.3f}{spread:>16}{over:>8}{goal:>8.3f}{'yes' if beyond <= 0 else 'no':>9}"
            f"{median(results, lambda one: one['cpu']):>8.3f}{ms / base[shape]:>8.2f}"
            f"{max(one['rss_mb'] for one in results):>8.1f}{median(results, lambda one: one['process_s']):>10.2f}"
        )
    print(f"sleep: {SLEEPS} steps of 0.2 s, ten at once; 20.5 ms a step are 0.41 s, the least possible is 0.40 s")


if __name__ == "__main__":
    main()
