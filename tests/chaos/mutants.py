"""Six deliberate bugs, each put into a copy of the package: the judge of the kill campaign must catch every one.

`python tests/chaos/mutants.py [--kills 400] [NAME ...]`. A judge that finds nothing wrong with a broken engine proves
nothing about a whole one. The bugs are the patches in `mutants/`; the campaign stops at the first fault that it finds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent.parent / "somagent"
MUTANTS = sorted(path.stem for path in (HERE / "mutants").glob("*.patch"))

# The kinds of fault of which one at least must be found: another one would be luck.
EXPECTED = {
    "result-before-validation": {"wrong end", "wrong value", "lost"},
    "lease-not-fenced": {"duplicate owner", "recorded run again", "wrong value"},  # what is spent counts twice
    "retry-count-lost": {"too many attempts", "too early"},  # waits double with the count
    "timer-dropped": {"too early"},
    "gate-opened-twice": {"gate too early"},
    "worker-not-fenced": {"wrong end", "duplicate owner", "recorded run again"},  # two write, and fall over each other
}
ON = {"worker-not-fenced": ("--store", "postgres", "--usurping", "0.4")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=400, help="give a mutant up after so many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", default=MUTANTS, metavar="NAME", help=f"of {', '.join(MUTANTS)}")
    arguments = parser.parse_args()
    caught = [caught_by(name, arguments.kills, arguments.jobs) for name in arguments.names]
    print(f"{sum(caught)} of {len(caught)} mutants caught")
    return 0 if all(caught) else 1


def caught_by(name: str, kills: int, jobs: int) -> bool:
    """Whether a campaign on the broken package finds what is wrong with it; prints what it found."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        broken(name, folder)
        command = [
            sys.executable,
            HERE / "kills.py",
            "--kills",
            str(kills),
            "--jobs",
            str(jobs),
            "--first",
            *ON.get(name, ("--usurping", "0.2")),
        ]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": temporary},
            capture_output=True,
            text=True,
            check=False,
        )
    found = [line.strip() for line in done.stdout.splitlines() if line.strip().partition(": ")[0] in EXPECTED[name]]
    said = found[0] if found else (done.stdout + done.stderr).strip()
    print(f"{name}: {'caught' if found else 'NOT caught'} in {time.monotonic() - start:.0f} s: {said}")
    return bool(found)


def broken(name: str, folder: Path) -> None:
    """Copies the package into the folder and applies the patch; its first line says what is broken."""
    shutil.copytree(PACKAGE, folder / "somagent", ignore=shutil.ignore_patterns("__pycache__"))
    patch = HERE / "mutants" / f"{name}.patch"
    subprocess.run(["git", "apply", "-p1", patch], cwd=folder / "somagent", check=True)


if __name__ == "__main__":
    sys.exit(main())
