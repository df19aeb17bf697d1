"""How long it takes from pressing return to the first journaled step, the command line included.

`python benchmarks/start.py [--rounds 9]`. Each round starts a bare Python and `somagent run` of a capsule with one
script step, both as processes of their own, in a fresh folder. The first journaled step is the `ended_at` that the
journal holds for it: after its result's commit was asked for. Medians; the baseline is `python -c pass` of the same
rounds. Goal: 0.3 s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from timing import ENVIRONMENT

COMMAND = Path(sys.executable).with_name("somagent")
CAPSULE = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: start }
spec:
  steps:
    first: { script: { run: "true" } }
"""


def bare_s() -> float:
    """Seconds of a Python that does nothing."""
    start = time.time()
    subprocess.run([sys.executable, "-c", "pass"], check=True, env=ENVIRONMENT)
    return time.time() - start


def started_s(folder: Path) -> tuple[float, float, float]:
    """Seconds from the start of the command to the step's first attempt, to its result, and to the command's end."""
    (folder / "start.capsule.yaml").write_text(CAPSULE)
    start = time.time()
    subprocess.run([COMMAND, "run", "start.capsule.yaml"], cwd=folder, check=True, capture_output=True, env=ENVIRONMENT)
    end = time.time()
    reader = (
        "import json, pathlib; from somagent.workflows.engines.local import LocalEngine;"
        "engine = LocalEngine(pathlib.Path('.somagent'), {}); step = engine.view(engine.runs()[0].id).steps[0];"
        "print(json.dumps([step.started_at.isoformat(), step.ended_at.isoformat()]))"
    )
    read = subprocess.run([sys.executable, "-c", reader], cwd=folder, check=True, capture_output=True, text=True)
    attempt, result = (datetime.fromisoformat(text).timestamp() for text in json.loads(read.stdout))
    return attempt - start, result - start, end - start


def show(rounds: int) -> None:
    """Prints the table."""
    bare, attempts, results, ends = [], [], [], []
    for number in range(rounds + 1):
        bare.append(bare_s())
        with tempfile.TemporaryDirectory() as folder:
            attempt, result, end = started_s(Path(folder))
        attempts.append(attempt)
        results.append(result)
        ends.append(end)
        if not number:  # bytecode was written
            for times in (bare, attempts, results, ends):
                times.clear()
    base = statistics.median(bare)
    print(f"{'start of a run':<34}{'median s':>9}{'min-max':>15}{'x bare':>8}")
    for name, times in (
        ("python -c pass", bare),
        ("to the first attempt", attempts),
        ("to the first journaled result", results),
        ("to the end, report written", ends),
    ):
        median = statistics.median(times)
        print(f"{name:<34}{median:>9.3f}{min(times):>8.3f}-{max(times):.3f}{median / base:>8.1f}")
    print("goal of the first journaled result: 0.300")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    show(parser.parse_args().rounds)


if __name__ == "__main__":
    main()
