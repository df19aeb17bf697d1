"""Drives the whole language with damaged input: no traceback, no hang over 2 s, no memory beyond 512 MB.

`python tests/fuzz/drive.py --inputs 100000 --seed 1 --workers 2 [--first 0] [--minutes 30]`

The long run of a release: `nice -n 15 python tests/fuzz/drive.py --inputs 1000000 --seed 1`. Inputs are expressions,
capsules, constitutions, locks, tests, packages, personas and tools; besides reading them, by turns: layout, mending,
the questions of an editor, pictures, every format of mistakes.

Input number n of a seed is always the same input, so `--only n` repeats one. What breaks is made small and kept in the
folder with its traceback; `drive.py FILE...` holds kept files again, and those in `found/` are held by the tests for
good. The last line counts inputs, failures, the slowest input and the largest memory; the digest of all outcomes is
the same on every machine and under every PYTHONHASHSEED. Exit 1 when anything broke.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import multiprocessing
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mutations import Input, Mutator, seeds
from pipeline import Pipeline

SECONDS = 2.0
MEGABYTES = 512
STUCK_SECONDS = 60
MINIMISING = 400
TIMES_KEPT = 3
TURNS = 32  # of which each makes other checks


@dataclass
class Tally:
    """What one worker has done."""

    inputs: int = 0
    slowest_s: float = 0.0
    slowest: int = 0  # its number
    megabytes: float = 0.0
    outcomes: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def failure_of(pipeline: Pipeline, given: Input, turn: int) -> tuple[str, str, str, float]:
    """Name (empty when all is well), traceback, outcome, CPU seconds of the longest operation."""
    kind, content, place = given
    name = told = outcome = ""
    try:
        outcome = pipeline.hold(kind, content, turn, place)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [one for one in frames if "somagent" in one.filename or "/governance/" in one.filename] or frames
        place = f"{Path(ours[-1].filename).name}-{ours[-1].lineno}"
        name = f"{type(error).__name__}-{str(error)[:40] if place.startswith('pipeline') else ''}-{place}"
        told = traceback.format_exc()
    spent = pipeline.longest_s
    if not name and spent > SECONDS:
        pipeline.hold(kind, content, turn, place)  # a second try, should the collector have cut in
        spent = min(spent, pipeline.longest_s)
        if spent > SECONDS:
            name, told = f"slow-{kind}", f"{spent:.1f} s\n"
    return name, told, outcome, spent


def smaller(content: bytes, breaks: Callable[[bytes], bool]) -> bytes:
    """The content without whatever is not needed to break; greedy, by ever smaller pieces."""
    tries, piece = 0, max(len(content) // 2, 1)
    while piece and tries < MINIMISING:
        at = 0
        while at < len(content) and tries < MINIMISING:
            candidate = content[:at] + content[at + piece :]
            tries += 1
            if breaks(candidate):
                content = candidate
            else:
                at += piece
        piece //= 2
    return content


def keep(pipeline: Pipeline, folder: Path, number: int, seed: int, broken: tuple[str, str, Input]) -> None:
    """Writes the smallest input that breaks in the same way, and how."""
    name, told, given = broken
    kind, content, place = given
    if not name.startswith("slow"):
        content = smaller(content, lambda one: failure_of(pipeline, Input(kind, one, place), number)[0] == name)
    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{name}-{seed}-{number}")
    (folder / f"{stem}.{kind}").write_bytes(content)
    (folder / f"{stem}.txt").write_text(told, errors="backslashreplace")


def work(worker: int, options: argparse.Namespace) -> Tally:
    """Every `workers`-th input."""
    resource.setrlimit(resource.RLIMIT_AS, (3 * MEGABYTES * 2**20, resource.RLIM_INFINITY))
    mutator, pipeline, tally = Mutator(seeds()), Pipeline(), Tally()
    digest, end = hashlib.sha256(), time.monotonic() + options.minutes * 60
    numbers = (
        [options.only] if options.only is not None else range(options.first + worker, options.inputs, options.workers)
    )
    for number in numbers:
        if time.monotonic() > end:
            break
        given = mutator.input(random.Random(f"{options.seed}/{number}"))
        faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        name, told, outcome, spent = failure_of(pipeline, given, number)
        faulthandler.cancel_dump_traceback_later()
        if name:
            tally.failures[name] = tally.failures.get(name, 0) + 1
            if tally.failures[name] <= TIMES_KEPT:
                keep(pipeline, options.folder, number, options.seed, (name, told, given))
        tally.inputs += 1
        tally.kinds[given.kind] = tally.kinds.get(given.kind, 0) + 1
        if spent > tally.slowest_s:
            tally.slowest_s, tally.slowest = spent, number
        digest.update(f"{number}\0{name}\0{outcome}\n".encode("utf-8", "surrogatepass"))
        if tally.inputs % 1000 == 0:
            _progress(worker, options, tally)
    tally.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tally.outcomes = digest.hexdigest()
    return tally


def _progress(worker: int, options: argparse.Namespace, tally: Tally) -> None:
    options.folder.mkdir(parents=True, exist_ok=True)
    tally.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (options.folder / f"progress-{options.seed}-{worker}.json").write_text(json.dumps(asdict(tally)))


def summary(tallies: Sequence[Tally], seconds: float) -> str:
    """What is printed at the end."""
    inputs = sum(one.inputs for one in tallies)
    kinds: dict[str, int] = {}
    failures: dict[str, int] = {}
    for one in tallies:
        for into, counts in ((kinds, one.kinds), (failures, one.failures)):
            for name, count in counts.items():
                into[name] = into.get(name, 0) + count
    lines = [f"{count:>9}  {name}" for name, count in sorted(failures.items())]
    lines.append(", ".join(f"{name} {count:,}" for name, count in sorted(kinds.items())))
    outcomes = hashlib.sha256("".join(one.outcomes for one in tallies).encode()).hexdigest()[:16]
    slowest, number = max((one.slowest_s, one.slowest) for one in tallies)
    memory = max(one.megabytes for one in tallies)
    return "\n".join([*lines, (
        f"{inputs:,} inputs in {seconds:.0f} s ({inputs / seconds:.0f}/s), {sum(failures.values())} failures, "
        f"slowest {slowest:.2f} s (number {number}), memory {memory:.0f} MB, outcomes {outcomes}"
    )])  # fmt: skip


def again(files: Sequence[Path]) -> int:
    """Holds kept files in every turn; their suffix is their kind."""
    pipeline, broken = Pipeline(), 0
    for file in files:
        for turn in range(TURNS):
            name, told, _, _ = failure_of(pipeline, Input(file.suffix[1:], file.read_bytes()), turn)
            if name:
                print(f"{file.name}: {name} in turn {turn}\n{told}")
                broken += 1
    print(f"{len(files)} files, {broken} failures")
    return 1 if broken else 0


def main() -> int:
    """Runs the workers and sums up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"))
    parser.add_argument("files", type=Path, nargs="*", help="kept files to hold again, instead of new inputs")
    options = parser.parse_args()
    if options.files:
        return again(options.files)
    start = time.monotonic()
    if options.workers == 1:
        tallies = [work(0, options)]
    else:
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            tallies = pool.starmap(work, [(worker, options) for worker in range(options.workers)])
    print(summary(tallies, time.monotonic() - start))
    broken = any(one.failures for one in tallies) or max(one.megabytes for one in tallies) > MEGABYTES
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
