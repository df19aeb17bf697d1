"""How long checking takes from a cold start, and how compiling grows with the capsule.

`python benchmarks/compile.py [--rounds 9]`. Cold: whole processes, wall clock and CPU, `python -c pass` in the same
rounds as the baseline. Compiling: CPU ms of `compile_capsule` in this process, as the command line runs it (without
the garbage collector) and as a server does (with it); bytes of the canonical plan a step; medians. The line is the
least-squares fit over all sizes: ms = fixed + per step.

Goals: check cold <= 200 ms; 1,000 steps <= 150 ms CPU; 24 stacked diamonds <= 20 ms; 5,000 steps in proportion.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import prepare_language
from somagent.capsule_compiler.plan import Plan, encode_plan
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: bench }
spec:
  inputs: { limit: { type: integer, default: 3 }, paths: { type: array, items: { type: string }, maxItems: 20 } }
  steps:
"""
SMALL = (
    HEAD
    + """\
    count:
      script: { run: 'wc -l "$PATHS" > lines', env: { PATHS: "${{ inputs.paths }}" } }
      outputs: { lines: { type: integer } }
    report:
      require: steps.count.lines <= inputs.limit
      script: { run: echo "$LINES", env: { LINES: "${{ steps.count.lines }}" } }
"""
)


def step(name: str, reads: Sequence[str], fields: str = "") -> str:
    """A step of the usual parts: a script, an expression for each value that it reads and one more, an output."""
    env = "".join(f", V{index}: '${{{{ steps.{read}.v }}}}'" for index, read in enumerate(reads))
    return (
        f"    {name}: {{ script: {{ run: 'echo \"v=$L\" >> $SOMAGENT_OUTPUT', "
        f"env: {{ L: '${{{{ inputs.limit + {len(reads)} }}}}'{env} }} }}, "
        f"timeout: 5m{fields}, outputs: {{ v: {{ type: integer }} }} }}\n"
    )


def chain(size: int) -> str:
    """Each step reads the one before; every tenth is required to have found something."""
    text = HEAD + step("s0", [])
    for n in range(1, size):
        required = f", require: 'steps.s{n - 1}.v > 0 && steps.s{n - 1}.v < 100'" if n % 10 == 0 else ""
        text += step(f"s{n}", [f"s{n - 1}"], required)
    return text


def diamonds(count: int) -> str:
    """`count` diamonds on top of each other: 2**count paths from the first step to the last."""
    text = step("top0", [])
    for n in range(count):
        text += step(f"left{n}", [f"top{n}"]) + step(f"right{n}", [f"top{n}"])
        text += step(f"top{n + 1}", [f"left{n}", f"right{n}"])
    return HEAD + text


def fan_in(width: int) -> str:
    """One step that reads from all others."""
    return HEAD + "".join(step(f"s{n}", []) for n in range(width)) + step("last", [f"s{n}" for n in range(width)])


def compiler() -> Callable[[str], Plan]:
    """Compiles a text with the operators that are installed here."""
    language, constitution = prepare_language(load_operators().catalogue), default_constitution()

    def files(path: str) -> Sequence[FileBeside]:
        raise FileNotFoundError(path)

    def compiled(text: str) -> Plan:
        done = compile_capsule(
            "bench.capsule.yaml", text.encode(), language=language, constitution=constitution, files=files
        )
        if done.plan is None:
            raise SystemExit(f"the benchmark's capsule is wrong: {done.diagnostics[:3]}")
        return done.plan

    return compiled


def cpu_ms(work: Callable[[], object], rounds: int, *, collector: bool) -> float:
    """Median CPU milliseconds of a piece of work."""
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
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def cold(rounds: int) -> None:
    """The table of whole processes."""
    somagent = Path(sys.executable).with_name("somagent")
    with tempfile.TemporaryDirectory() as folder:
        files = {"small": Path(folder, "small.capsule.yaml"), "1,000 steps": Path(folder, "large.capsule.yaml")}
        files["small"].write_text(SMALL)
        files["1,000 steps"].write_text(chain(1000))
        commands: dict[str, list[str | Path]] = {"python -c pass": [sys.executable, "-c", "pass"]}
        commands |= {f"somagent check, {name}": [somagent, "check", file] for name, file in files.items()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(process_ms(command))
    print(f"{'cold start':<32} {'wall ms':>9} {'CPU ms':>9}")
    for name, measured in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:<32} {wall:>9.1f} {cpu:>9.1f}")


def growth(rounds: int) -> None:
    """The table of sizes, and the line through them."""
    compiled = compiler()
    sizes = (10, 100, 1000, 5000)
    print(f"\n{'compile':<32} {'CPU ms':>9} {'with gc':>9} {'ms/step':>9} {'bytes of plan/step':>19}")
    points = []
    for size in sizes:
        text = chain(size)
        alone = cpu_ms(lambda text=text: compiled(text), rounds, collector=False)  # type: ignore[misc]
        beside = cpu_ms(lambda text=text: compiled(text), rounds, collector=True)  # type: ignore[misc]
        points.append((size, alone))
        per_step = len(encode_plan(compiled(text))) / size
        print(f"{f'chain of {size:,}':<32} {alone:>9.1f} {beside:>9.1f} {alone / size:>9.3f} {per_step:>19.0f}")
    for name, text in {"24 stacked diamonds (73 steps)": diamonds(24), "fan-in of 4,999": fan_in(4999)}.items():
        alone = cpu_ms(lambda text=text: compiled(text), rounds, collector=False)  # type: ignore[misc]
        beside = cpu_ms(lambda text=text: compiled(text), rounds, collector=True)  # type: ignore[misc]
        print(f"{name:<32} {alone:>9.1f} {beside:>9.1f}")
    slope, fixed = statistics.linear_regression(*zip(*points, strict=True))
    worst = max(abs(ms - fixed - slope * size) / ms for size, ms in points[1:])
    print(f"line: {fixed:.1f} ms + {slope:.4f} ms a step; from 100 steps on, off by {worst:.0%} at most")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    cold(rounds)
    growth(rounds)


if __name__ == "__main__":
    main()
