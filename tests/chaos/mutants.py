"""Six deliberate bugs, each put into a copy of the package: the judges of the campaigns must catch every one.

`python tests/chaos/mutants.py [--kills 400] [--seeds 4000] [NAME ...]`. A judge that finds nothing wrong with a broken
engine proves nothing about a whole one. The bugs are the patches in `mutants/`; the kill campaign, and the simulation
where it has what is broken, stop at the first fault that they find.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
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
# The same for the simulation, which has no PostgreSQL.
SIMULATED = {
    "result-before-validation": {"wrong value"},
    "lease-not-fenced": {"duplicate owner"},
    "retry-count-lost": {"too many attempts", "untimely"},
    "timer-dropped": {"untimely"},
    "gate-opened-twice": {"gate too early"},
}
ON = {"worker-not-fenced": ("--store", "postgres", "--usurping", "0.4")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=400, help="give a mutant up after so many; 0: only simulate")
    parser.add_argument("--seeds", type=int, default=4_000, help="the same in the simulation; 0: only kill")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("names", nargs="*", default=MUTANTS, metavar="NAME", help=f"of {', '.join(MUTANTS)}")
    arguments = parser.parse_args()
    found = {name: list(caught_by(name, arguments)) for name in arguments.names}
    caught = [all(campaigns) for campaigns in found.values() if campaigns]
    print(f"{sum(caught)} of {len(caught)} mutants caught")
    return 0 if all(caught) else 1


def caught_by(name: str, arguments: argparse.Namespace) -> Iterator[bool]:
    """Whether each campaign on the broken package finds what is wrong with it; prints what it found."""
    jobs = ("--jobs", str(arguments.jobs))
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        broken(name, folder)
        if arguments.kills:
            until = ("--kills", str(arguments.kills), "--until", ",".join(EXPECTED[name]))
            kills = (*until, *ON.get(name, ("--usurping", "0.2")))
            yield _catches(f"{name}, killed", folder, [HERE / "kills.py", *jobs, *kills], EXPECTED[name])
        if arguments.seeds and name in SIMULATED:
            simulate = HERE.parent / "simulation" / "simulate.py"
            until = ("--seeds", str(arguments.seeds), "--until", ",".join(SIMULATED[name]))
            yield _catches(f"{name}, simulated", folder, [simulate, *jobs, *until], SIMULATED[name])


def _catches(what: str, folder: Path, command: Sequence[object], kinds: Collection[str]) -> bool:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.strip() for line in done.stdout.splitlines() if line.strip().partition(": ")[0] in kinds]
    said = found[0] if found else (done.stdout + done.stderr).strip()
    print(f"{what}: {'caught' if found else 'NOT caught'} in {time.monotonic() - start:.0f} s: {said}", flush=True)
    return bool(found)


def broken(name: str, folder: Path) -> None:
    """Copies the package into the folder and applies the patch; its first line says what is broken."""
    shutil.copytree(PACKAGE, folder / "somagent", ignore=shutil.ignore_patterns("__pycache__"))
    patch = HERE / "mutants" / f"{name}.patch"
    subprocess.run(["git", "apply", "-p1", patch], cwd=folder / "somagent", check=True)


if __name__ == "__main__":
    sys.exit(main())
