"""A run of 30 steps is killed at random moments and gone on with, until 200 processes have died.

`python benchmarks/kills.py [--kills 200] [--seed 1] [--directory DIR]`. Every process is a real one and dies by
SIGKILL at a time drawn uniformly from how long an undisturbed run takes; at most three times a run, the fourth process
ends it. Steps append `began` and `ended` lines to a file, each on the disk before they go on, and compute their value
from those of the steps they need, so that a wrong one shows at the end. Counted are:

- lost: results that were recorded before a kill and are not there, or are others, after it;
- recorded run again: steps that began although their result was recorded before the process started;
- wrong values: steps whose value in the finished run is not the one of the undisturbed run;
- repeats: steps whose effect was complete when their process died before the result was recorded, so that it came
  again. Nobody can close this window without the outside system's help; the idempotency key is that help.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import CapsuleInfo, Edge, Hole, Node, Plan, RuleBook, Template, digest_of
from somagent.governance.constitution import default_constitution
from somagent.operators.operator import Answer, Operator, Step
from somagent.operators.runner.records import StepResult
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.reading import opened

LAYERS, WIDTH = 6, 5


class Add(Struct):
    """Adds one to the sum of some numbers."""

    numbers: list[int]
    marks: str


async def add(arguments: Add, step: Step) -> Answer:
    """The operator; slow enough to be killed in the middle."""
    mark(arguments.marks, f"began {step.key.step} {step.attempt}")
    await asyncio.sleep(0.004)
    mark(arguments.marks, f"ended {step.key.step} {step.attempt}")
    return Answer({"sum": sum(arguments.numbers) + 1})


def mark(path: str, line: str) -> None:
    """Appends a line and waits for the disk."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)


OPERATOR = Operator(OperatorEntry(name="add", summary="Adds", arguments={}), Add, add)


def plan(marks: Path) -> Plan:
    """Six layers of five; each step sums three of the layer before, so layers overlap as their steps end."""
    nodes = []
    for layer in range(LAYERS):
        for place in range(WIDTH):
            needs = [f"s{layer - 1}_{(place + by) % WIDTH}" for by in range(3)] if layer else []
            total = " + ".join(f"steps.{need}.sum" for need in needs) or str(place)
            nodes.append(
                Node(
                    id=f"s{layer}_{place}",
                    operator="add",
                    arguments=Template(
                        value={"numbers": [None], "marks": str(marks)}, holes=[Hole(at=["numbers", 0], cel=total)]
                    ),
                    needs=[Edge(step=need, kind="data") for need in needs],
                    outputs={"sum": {"type": "integer"}},
                    timeout_ms=60_000,
                )
            )
    book = default_constitution()
    return Plan(
        format="plan/v1",
        capsule=CapsuleInfo(name="kills"),
        constitution=RuleBook(name=book.name, version=book.version, digest=book.digest, document=dict(book.document)),
        nodes=nodes,
        catalogue=digest_of(b""),
    )


async def work(directory: Path, run: str | None, marks: Path) -> str:
    """Runs to the end; gives the run's id."""
    async with LocalEngine(directory, {"add": OPERATOR}, parallel=WIDTH) as engine:
        run = run or await engine.submit(plan(marks), {}, submitter="bench", files={})
        view = await engine.run(run)
        if view.phase != "Succeeded":
            raise RuntimeError(view.failure)
        return run


def in_child(directory: Path, run: str | None, marks: Path, kill_after_s: float | None) -> tuple[bool, float]:
    """Whether a process of its own was killed, and how long it lived."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work(directory, run, marks))
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a process failed instead of being killed")
    return os.WIFSIGNALED(status), time.perf_counter() - start


def recorded(directory: Path) -> tuple[str | None, dict[str, StepResult]]:
    """The run, if it was submitted, and its results."""
    runs = LocalEngine(directory, {}).runs()
    if not runs:
        return None, {}
    with opened(directory) as rows:
        return runs[0].id, {result.key.step: result for result in rows.results(runs[0].id)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to use (default: here)")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=arguments.directory) as folder:
        campaign(Path(folder).absolute(), arguments.kills, draw)


def campaign(folder: Path, kills: int, draw: random.Random) -> None:
    """Kills, goes on, counts, and prints the table."""
    whole_s = min(in_child(folder / f"whole{n}", None, folder / f"whole-marks{n}", None)[1] for n in range(5))
    _, right = recorded(folder / "whole0")
    killed = runs = lost = again = wrong = repeats = unrecorded = 0
    resumes = []
    while killed < kills:
        directory, marks = folder / f"run{runs}", folder / f"marks{runs}"
        runs += 1
        for turn in range(4):
            run, before = recorded(directory)
            seen = len(lines(marks))
            dead, took = in_child(directory, run, marks, draw.uniform(0, whole_s) if turn < 3 else None)
            killed += dead
            _, after = recorded(directory)
            lost += sum(after.get(step) != result for step, result in before.items())
            again += len({line.split()[1] for line in lines(marks)[seen:] if line.startswith("began")} & before.keys())
            if not dead:
                if turn:
                    resumes.append(took)
                break
        wrong += sum(after[step].outputs != result.outputs for step, result in right.items())
        ends = [line.split()[1] for line in lines(marks) if line.startswith("ended")]
        begins = [line.split()[1] for line in lines(marks) if line.startswith("began")]
        repeats += len(ends) - len(set(ends))
        unrecorded += len(begins) - len(set(begins))
    print(f"kills {killed}, runs {runs}, steps {runs * LAYERS * WIDTH}, an undisturbed run takes {whole_s:.2f} s")
    print(f"lost {lost}, recorded run again {again}, wrong values {wrong}")
    print(f"repeats of effects that were complete but not recorded {repeats}, of steps cut off anywhere {unrecorded}")
    print(f"last process of a run, start to end: median {statistics.median(resumes):.2f} s, max {max(resumes):.2f} s")


def lines(marks: Path) -> list[str]:
    """What the steps wrote so far."""
    return marks.read_text().splitlines() if marks.exists() else []


if __name__ == "__main__":
    main()
