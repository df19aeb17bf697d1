"""How compiling grows with the capsule, what others take for the same graph, and how long checking takes when cold.

`python benchmarks/compile.py [--rounds 9]`. Compiling is parse, check and plan of the capsules of
`capsules.realistic`: CPU ms of `compile_capsule` in this process, as the command line runs it (without the garbage
collector) and as a server does (with it); bytes of the canonical plan a step; peak memory of a process that does
nothing else. Medians. The line is the least-squares fit over all sizes: ms = fixed + per step. The baselines of the
same run are in `peers`. Cold: whole processes, with `python -c pass` in the same rounds.

Goals: 1,000 steps <= 150 ms CPU; diamonds and fan-in no more a step than the line; check cold <= 0.2 s for a small
capsule and <= 0.5 s for 1,000 steps.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from capsules import SMALL, diamonds, fan_in, realistic
from timing import ENVIRONMENT, cpu_ms, peak_mb, processes_ms

from somagent.capsule_compiler.compile import compile_capsule
from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.language import prepare_language
from somagent.capsule_compiler.plan import Plan, encode_plan
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

SIZES = (10, 100, 1000, 5000)
SHAPES: dict[str, tuple[Callable[[int], str], tuple[int, ...], Callable[[int], int]]] = {
    "stacked diamonds": (diamonds, (6, 12, 24, 48), lambda count: 3 * count + 1),
    "fan-in": (fan_in, (625, 1250, 2500, 4999), lambda width: width + 1),
}


def nothing_beside(path: str) -> Sequence[FileBeside]:
    """The folder of capsules that exist as text only."""
    raise FileNotFoundError(path)


def compiler() -> Callable[[str], Plan]:
    """Compiles a text with the operators that are installed here."""
    language, constitution = prepare_language(load_operators().catalogue), default_constitution()

    def compiled(text: str) -> Plan:
        done = compile_capsule(
            "bench.capsule.yaml", text.encode(), language=language, constitution=constitution, files=nothing_beside
        )
        if done.plan is None:
            raise SystemExit(f"the benchmark's capsule is wrong: {done.diagnostics[:3]}")
        return done.plan

    return compiled


def growth(rounds: int) -> tuple[float, float]:
    """The table of sizes, and the line through them."""
    compiled = compiler()
    print(f"{'compile':<26}{'CPU ms':>9}{'with gc':>9}{'ms/step':>9}{'plan bytes/step':>17}{'peak MB':>9}")
    points = []
    for size in SIZES:
        text = realistic(size)
        alone = cpu_ms(partial(compiled, text), rounds)
        beside = cpu_ms(partial(compiled, text), rounds, collector=True)
        points.append((size, alone))
        each = len(encode_plan(compiled(text))) / size
        shown = f"{alone:>9.1f}{beside:>9.1f}{alone / size:>9.3f}{each:>17.0f}{memory_mb(size):>9.1f}"
        print(f"{f'{size:,} steps':<26}{shown}")
    slope, fixed = statistics.linear_regression(*zip(*points, strict=True))
    worst = max(abs(ms - fixed - slope * size) / ms for size, ms in points[1:])
    print(f"no steps at all, peak MB: {memory_mb(0):.1f}")
    print(f"line: {fixed:.1f} ms + {slope:.4f} ms a step; from 100 steps on, off by {worst:.0%} at most")
    return fixed, slope


def memory_mb(size: int) -> float:
    """The peak of a process that compiles one capsule; of none (0), what its imports take."""
    command = [sys.executable, __file__, "--peak", str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout)


def shapes(rounds: int) -> None:
    """The table of shapes that a compiler can stumble over: many paths, and many edges into one step."""
    compiled = compiler()
    for name, (make, sizes, steps) in SHAPES.items():
        print(f"\n{name:<26}{'steps':>9}{'CPU ms':>9}{'ms/step':>9}{'x first':>9}")
        first = 0.0
        for size in sizes:
            each = (ms := cpu_ms(partial(compiled, make(size)), rounds)) / steps(size)
            first = first or each
            print(f"{size:<26,}{steps(size):>9,}{ms:>9.1f}{each:>9.3f}{each / first:>9.2f}")


def beside_others(rounds: int) -> None:
    """The table of what others take for the same graph, and how many times that is of what we take."""
    from peers import hera_build, lint

    compiled = compiler()
    linted = lint(prepare_language(load_operators().catalogue))
    print(f"\n{'CPU ms, and times ours':<26}" + "".join(f"{size:>16,}" for size in SIZES[:3]))
    rows: dict[str, list[float]] = {}
    for size in SIZES[:3]:
        text = realistic(size)
        build = hera_build(text)
        for name, work in {
            "ours: parse, check, plan": partial(compiled, text),
            "Hera: build, to_dict": lambda build=build: build().to_dict(),
            "Hera: build, to_yaml": lambda build=build: build().to_yaml(),
            "yamllint, JSON Schema": partial(linted, text),
        }.items():
            rows.setdefault(name, []).append(cpu_ms(work, rounds))
    ours = next(iter(rows.values()))
    for name, found in rows.items():
        cells = (f"{ms:.1f} ({ms / own:.1f}x)" for ms, own in zip(found, ours, strict=True))
        print(f"{name:<26}" + "".join(f"{cell:>16}" for cell in cells))


def cold(rounds: int) -> None:
    """The table of whole processes."""
    somagent = Path(sys.executable).with_name("somagent")
    with tempfile.TemporaryDirectory() as folder:
        files = {"small": Path(folder, "small.capsule.yaml"), "1,000 steps": Path(folder, "large.capsule.yaml")}
        files["small"].write_text(SMALL)
        files["1,000 steps"].write_text(realistic(1000))
        commands: dict[str, Sequence[str | Path]] = {"python -c pass": [sys.executable, "-c", "pass"]}
        commands |= {f"somagent check, {name}": [somagent, "check", file] for name, file in files.items()}
        measured = processes_ms(commands, rounds)
    print(f"\n{'cold start':<28}{'wall ms':>9}{'CPU ms':>9}{'x bare':>9}")
    bare = measured["python -c pass"][1]
    for name, (wall, cpu) in measured.items():
        print(f"{name:<28}{wall:>9.1f}{cpu:>9.1f}{cpu / bare:>9.1f}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak is not None:
        compiled = compiler()
        kept = compiled(realistic(arguments.peak)) if arguments.peak else None
        print(peak_mb())
        del kept
        return
    growth(arguments.rounds)
    shapes(arguments.rounds)
    beside_others(max(3, arguments.rounds // 3))
    cold(arguments.rounds)


if __name__ == "__main__":
    main()
