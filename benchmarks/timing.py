"""How the benchmarks measure: medians of CPU time in this process, and of whole processes as users start them."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Of somebody who uses what was installed: modules come from their bytecode, also when this shell keeps none.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_ms(work: Callable[[], object], rounds: int, *, collector: bool = False) -> float:
    """Median CPU milliseconds of a piece of work, without the garbage collector or with it."""
    times = []
    for _ in range(rounds):
        gc.collect()
        if not collector:
            gc.disable()
        start = time.process_time()
        kept = work()
        times.append((time.process_time() - start) * 1000)
        gc.enable()
        del kept
    return statistics.median(times)


def process_ms(command: Sequence[str | Path]) -> tuple[float, float]:
    """Wall clock and CPU milliseconds of a whole process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def processes_ms(commands: dict[str, Sequence[str | Path]], rounds: int) -> dict[str, tuple[float, float]]:
    """Medians of wall clock and CPU of several commands, started in turn, after one round that is not counted."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            measured = process_ms(command)
            if number:
                times[name].append(measured)
    return {
        name: (statistics.median(w for w, _ in one), statistics.median(c for _, c in one))
        for name, one in times.items()
    }


def peak_mb() -> float:
    """The most memory that this process has had, in MB (10**6 bytes); Linux only.

    Not `ru_maxrss`, in which a process that was forked begins with what its parent had.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
