"""Lives many seeds in simulated worlds and judges each: `make simulate SEEDS=100000`, one: `... SEEDS=1 SEED=12345`.

The engine is the real one, on its real SQLite; time, the order of callbacks, deaths and what steps do are drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "chaos")]

import jobs  # noqa: E402
from cast import live  # noqa: E402
from found import FOUND  # noqa: E402
from judge import FAULTS, judge  # noqa: E402
from life import Life  # noqa: E402

_TOGETHER = 200  # seeds in one real process: what died in them is kept until it ends
_SHOWN = 40
_COUNTED = ("process", "died", "begin", "commit", "decided", "pause", "cancel", "retry", "refused by the disk")


def lived(seed: int, folder: Path) -> Life:
    """The life of a seed, in a folder of its own that is removed."""
    try:
        return live(seed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def counted(life: Life) -> Counter[str]:
    """How much happened."""
    found = Counter(entry.what for entry in life.world.entries)
    found["died"] = sum(process.over == "died" for process in life.world.processes)
    found["retry"] = len(life.acts) - 1
    found["process"] = len(life.world.processes) - 1
    return found


def work(arguments: argparse.Namespace, job: int, say: jobs.Say) -> None:
    """One of several jobs: every so-manieth batch of seeds, each batch in a process of its own."""
    last = arguments.seed + arguments.seeds
    for start in range(arguments.seed + job * _TOGETHER, last, arguments.jobs * _TOGETHER):
        child = os.fork()
        if not child:
            batch(range(start, min(start + _TOGETHER, last)), say, arguments.folder)
            os._exit(0)
        try:
            _, status = os.waitpid(child, 0)
        except SystemExit:  # this job is told to stop
            os.kill(child, signal.SIGKILL)
            raise
        if status:
            say({"crash": f"the process of the seeds from {start} on ended with {status}"})
            return


def batch(seeds: range, say: jobs.Say, base: Path) -> None:
    """Lives these seeds, and says what came of them."""
    gc.disable()  # what is dead must not be closed while others live
    graves = []
    total: Counter[str] = Counter()
    for seed in seeds:
        life = lived(seed, base / str(seed))
        graves.append(life.world.graves)
        total += counted(life)
        found = judge(life)
        if found:
            say({"seed": seed, "faults": found[:20], "trace": list(shown(life, _SHOWN))})
    say({"seeds": len(seeds), "counted": {name: total[name] for name in _COUNTED}})


def shown(life: Life, most: int) -> Iterator[str]:
    """The last lines of a life's log."""
    for entry in life.world.entries[-most:] if most else life.world.entries:
        data = "" if entry.data is None else f" {entry.data}"
        yield f"{entry.at_us / 1_000_000 - 1000:>12.6f} s  process {entry.process}  {entry.what} {entry.place}{data}"


def one(seed: int, folder: Path) -> int:
    """Lives one seed and shows all of it; 1 when something is wrong."""
    life = lived(seed, folder / str(seed))
    for line in shown(life, 0):
        print(line)
    found = judge(life)
    for kind, text in found:
        print(f"{kind}: {text}")
    print(f"seed {seed}: {'FAULTY' if found else 'in order'}; digest of its trace {life.world.digest()}")
    sys.stdout.flush()
    return 1 if found else 0


def digests(arguments: argparse.Namespace) -> int:
    """1 when a seed is not the same world when it is lived again."""
    gc.disable()
    lives, code = [], 0
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        lives += [lived(seed, arguments.folder / str(seed)) for _ in range(2)]
        told = [life.world.digest() for life in lives[-2:]]
        print(seed, *sorted(set(told)))
        code |= told[0] != told[1]
    sys.stdout.flush()
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--until", default="", help="stop at the first fault of these kinds, with commas between")
    parser.add_argument("--found", action="store_true", help="live the seeds that found a bug once")
    parser.add_argument("--digests", action="store_true", help="live each seed twice, and tell the digest of its trace")
    arguments = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="simulate-", dir=memory if memory.is_dir() else None) as temporary:
        arguments.folder = Path(temporary)
        if arguments.found or arguments.digests or arguments.seeds == 1:
            child = os.fork()
            if not child:
                seeds = FOUND if arguments.found else (arguments.seed,)
                code = digests(arguments) if arguments.digests else max(one(seed, arguments.folder) for seed in seeds)
                os._exit(code)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return campaign(arguments)


def campaign(arguments: argparse.Namespace) -> int:
    """Prints the table; 1 when anything is wrong."""
    lived(arguments.seed, arguments.folder / "warm")  # so that the forked processes have all modules
    gc.freeze()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    total: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    lines = jobs.told(arguments.jobs, lambda job, say: work(arguments, job, say))
    with contextlib.closing(lines), contextlib.suppress(KeyboardInterrupt):
        for line in lines:
            if "faults" in line:
                faults.update({kind for kind, _ in line["faults"]})
                tell(line)
                if any(kind in arguments.until.split(",") for kind, _ in line["faults"]):
                    break
            else:
                total["seeds"] += line["seeds"]
                total.update(line["counted"])
    took_s = time.monotonic() - start
    rows: list[tuple[str, Any]] = [("seeds", total["seeds"]), ("processes", total["process"])]
    rows += [("killed processes", total["died"]), ("attempts", total["begin"]), ("commits", total["commit"])]
    rows += [("decisions", total["decided"]), ("stopped processes that went on", total["pause"])]
    rows += [
        ("cancelled runs", total["cancel"]),
        ("retries", total["retry"]),
        ("commits that the disk refused", total["refused by the disk"]),
    ]
    rows += [(kind, faults[kind]) for kind in FAULTS] + [("seconds", round(took_s))]
    for name, count in rows:
        print(f"{name:<40} {count:>10,}")
    return 1 if faults or total["seeds"] < arguments.seeds else 0


def tell(line: dict[str, Any]) -> None:
    """Shows a faulty life: the end of its trace, what is wrong, and how to have it again."""
    print(*line["trace"], sep="\n")
    for kind, text in line["faults"]:
        print(f"{kind}: {text}")
    print(f"seed {line['seed']} again: make simulate SEEDS=1 SEED={line['seed']}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
