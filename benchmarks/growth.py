"""What grows with what: time a step with steps, items, finished runs and history; resuming and memory at 10,000 steps.

`python benchmarks/growth.py [--rounds 3] [--directory DIR]`. Every measurement is a process of its own, rounds take
turns, medians are shown. Steps do nothing. *Resumed* is the time from the start of a process, Python and imports
included, until the first remaining step is at work, in a run of which half was recorded when SIGKILL ended the process
before; its memory is the most that process had by the end of the run. *Finished runs* of 20 steps are in the data
directory when a chain of 100 steps runs; *history* is the attempts of one step that is tried again and again.

Goals: 10,000 steps resumed in 1 s, in 150 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from graphs import OPERATORS, WIDTH, Nothing, chain, for_each, fsync_ms, layers, operator, plan_of
from msgspec.structs import replace
from timing import peak_mb

from somagent.capsule_compiler.plan import Plan, Retry
from somagent.operators.operator import Answer, Step, StepFailure
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.following import following

STEPS = 100
Found = dict[str, float]


def graph(shape: str, steps: int) -> Plan:
    """The plan of a shape."""
    return for_each(steps) if shape == "forEach" else plan_of((chain if shape == "chain" else layers)(steps), "nothing")


async def timed(engine: LocalEngine, plan: Plan, steps: int) -> tuple[str, Found]:
    """A run of the plan and what it took a step."""
    run = await engine.submit(plan, {}, submitter="bench", files={})
    begun = time.perf_counter(), time.process_time()
    view = await engine.run(run)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    if view.phase != "Succeeded":
        raise RuntimeError(view.failure)
    return run, {"ms": wall / steps * 1000, "cpu": cpu / steps * 1000}


def run_of(directory: Path, shape: str, steps: int) -> Found:
    """A run of so many steps or items, and what reading it takes."""

    async def main() -> Found:
        async with LocalEngine(directory, OPERATORS, parallel=WIDTH) as engine:
            await timed(engine, graph("chain", 20), 20)  # whatever is done once
            bytes_before = size(directory)
            run, found = await timed(engine, graph(shape, steps), steps)
            found |= {"rss_mb": peak_mb(), "kb": (size(directory) - bytes_before) / steps / 1000}
            begun = time.process_time()
            engine.view(run)
            return found | {"view_ms": (time.process_time() - begun) * 1000}

    return asyncio.run(main())


def among(directory: Path, _: str, runs: int) -> Found:
    """A run beside so many finished ones."""
    plan = graph("chain", STEPS)

    async def main() -> Found:
        async with LocalEngine(directory, OPERATORS, parallel=WIDTH) as engine:
            small = graph("layers", 20)
            for at in range(0, runs, WIDTH):
                await asyncio.gather(*(timed(engine, small, 20) for _ in range(min(WIDTH, runs - at))))
        begun = time.perf_counter()
        async with LocalEngine(directory, OPERATORS, parallel=WIDTH) as engine:
            await engine.hold()
            opened = time.perf_counter() - begun
            found = [(await timed(engine, plan, STEPS))[1] for _ in range(5)]
            begun = time.perf_counter()
            engine.runs()
            listed = time.perf_counter() - begun
        middle = {name: statistics.median(one[name] for one in found) for name in ("ms", "cpu")}
        return middle | {"rss_mb": peak_mb(), "open_ms": opened * 1000, "list_ms": listed * 1000}

    return asyncio.run(main())


def history(directory: Path, _: str, attempts: int) -> Found:
    """A step that is tried so often; then what somebody who follows is told, from the beginning on."""

    async def again(_: Nothing, step: Step) -> Answer:
        if step.attempt < attempts:
            raise StepFailure("transient", "again")
        return Answer({})

    plan = plan_of(chain(1), "again")
    retry = Retry(attempts=attempts, backoff_ms=0, max_backoff_ms=0, failures=["transient"])
    plan = replace(plan, nodes=[replace(plan.nodes[0], retry=retry)])

    async def main() -> Found:
        async with LocalEngine(directory, {"again": operator("again", again)}) as engine:
            run, found = await timed(engine, plan, attempts)
            begun = time.process_time()
            engine.view(run)
            viewed = time.process_time() - begun
            begun = time.process_time()
            with following(
                engine.store, run, lambda: engine.view(run).run.created_at + timedelta(days=1), told={}
            ) as on:
                told = [event async for event in on]
            followed = time.process_time() - begun
        assert len(told) >= 2 * attempts
        return found | {"rss_mb": peak_mb(), "view_ms": viewed * 1000, "follow_ms": followed * 1000}

    return asyncio.run(main())


def resumed(directory: Path, shape: str, steps: int) -> Found:
    """Half of a run, killed; and the other half in another process."""
    killed = subprocess.run([*_SELF, "half", shape, str(steps), "--directory", str(directory)], check=False)
    if killed.returncode != -signal.SIGKILL:
        raise RuntimeError(killed)
    begun = time.time()
    command = [*_SELF, "rest", shape, str(steps), "--directory", str(directory)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Found = json.loads(done.stdout)
    first = found.pop("first")
    return found | {"resumed_s": first - begun}


def half(directory: Path, shape: str, steps: int) -> Found:
    """Kills this process at half of the steps."""
    begun = 0

    async def until_half(_: Nothing, __: Step) -> Answer:
        nonlocal begun
        begun += 1
        if begun > steps // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer({})

    async def main() -> None:
        async with LocalEngine(directory, {"nothing": operator("nothing", until_half)}, parallel=WIDTH) as engine:
            await timed(engine, graph(shape, steps), steps)

    asyncio.run(main())
    raise RuntimeError("it was not killed")


def rest(directory: Path, _: str, steps: int) -> Found:
    """Goes on with the run."""
    first = 0.0

    async def run(_: Nothing, __: Step) -> Answer:
        nonlocal first
        first = first or time.time()
        return Answer({})

    async def main() -> Found:
        async with LocalEngine(directory, {"nothing": operator("nothing", run)}, parallel=WIDTH) as engine:
            (summary,) = engine.runs()
            begun = time.process_time()
            view = await engine.run(summary.id)
            cpu = (time.process_time() - begun) * 1000
        if view.phase != "Succeeded":
            raise RuntimeError(view.failure)
        return {"first": first, "rss_mb": peak_mb(), "cpu": cpu / (steps / 2)}

    return asyncio.run(main())


def size(directory: Path) -> int:
    """Bytes of the data directory's journal."""
    return sum(path.stat().st_size for path in directory.glob("journal.sqlite3*"))


_SELF = (sys.executable, __file__, "--one")
PARTS: dict[str, Callable[[Path, str, int], Found]] = {
    "run": run_of,
    "among": among,
    "history": history,
    "resumed": resumed,
    "half": half,
    "rest": rest,
}
_EACH = {"ms": "ms each", "cpu": "CPU ms each", "rss_mb": "RSS MB"}
_RUN = {**_EACH, "kb": "kB each", "view_ms": "view CPU ms"}
_AMONG = {
    "ms": "ms a step",
    "cpu": "CPU ms a step",
    "rss_mb": "RSS MB",
    "open_ms": "to open ms",
    "list_ms": "to list ms",
}
_HISTORY = {**_EACH, "view_ms": "view CPU ms", "follow_ms": "follow CPU ms"}
_RESUMED = {"resumed_s": "resumed s", "cpu": "CPU ms each", "rss_mb": "RSS MB"}
_SHAPES = (("chain", "steps, a chain"), ("layers", "steps, ten wide"), ("forEach", "items"))
_COUNTS = (100, 1000, 10_000)
TABLES: tuple[tuple[str, str, str, tuple[int, ...], dict[str, str]], ...] = (
    *(("run", shape, what, _COUNTS, _RUN) for shape, what in _SHAPES),
    ("among", "", "finished runs", (1, 100, 1000), _AMONG),
    ("history", "", "attempts", (10, 100, 1000), _HISTORY),
    *(("resumed", shape, what, _COUNTS, _RESUMED) for shape, what in _SHAPES[:2]),
)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure (default: here)")
    parser.add_argument("--only", choices=["run", "among", "history", "resumed"])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        part, shape, count = arguments.one
        print(json.dumps(PARTS[part](arguments.directory, shape, int(count))))
        return
    tables = [one for one in TABLES if arguments.only in (None, one[0])]
    rows = [(part, shape, count) for part, shape, _, counts, _ in tables for count in counts]
    found: dict[tuple[str, str, int], list[Found]] = {row: [] for row in rows}
    fsyncs = []
    for _ in range(arguments.rounds):
        for row in rows:
            with tempfile.TemporaryDirectory(prefix=".bench-", dir=arguments.directory) as folder:
                fsyncs.append(fsync_ms(Path(folder)))
                command = [*_SELF, *map(str, row), "--directory", folder]
                if row[0] == "resumed":
                    found[row].append(resumed(Path(folder), row[1], row[2]))
                    continue
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[row].append(json.loads(done.stdout))
    print(f"F = {statistics.median(fsyncs):.3f} ms ({min(fsyncs):.3f}-{max(fsyncs):.3f})")
    for part, shape, what, counts, columns in tables:
        title = "resumed: " + what if part == "resumed" else what
        print(f"\n{title:<26}" + "".join(f"{name:>15}" for name in columns.values()))
        for count in counts:
            results = found[part, shape, count]
            middles = (statistics.median(one[name] for one in results) for name in columns)
            print(f"{count:<26,}" + "".join(f"{middle:>15.3f}" for middle in middles))
        if part == "resumed":
            print("goals at 10,000: 1 s, 150 MB")


if __name__ == "__main__":
    main()
