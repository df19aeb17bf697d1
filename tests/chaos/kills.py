"""Random runs are killed at random moments and gone on with until they have ended; then a judge looks.

`python tests/chaos/kills.py [--kills 10000] [--seed 1] [--jobs N] [--store postgres --workers 4]`. Every process is the
real command, forked from this one to save the start of Python (one in fifty is started afresh), and dies by SIGKILL at
a time drawn uniformly from how long the command takes. Some are stopped instead, while another one takes their lease,
and then go on; some runs are cancelled. What several workers on one database are put through is in `workers.py`. What a
fault leaves behind is kept in `.chaos/`, and `--only SEED` draws that run again; when a process dies is the machine's.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import workers
from commands import Commands, Ended, Stuck, wait_for
from courses import Course
from graphs import draw_graph
from judge import FAULTS, Judgement, judge

HERE = Path(__file__).parent
OPERATOR = HERE / "operator"
sys.path.append(str(HERE.parent / "support"))


_KILLED_TOO = 0.5  # of those who take a lease from a stopped process


@contextlib.contextmanager
def _held(lease: Path) -> Iterator[None]:
    """Holds the lease as a process at work does."""
    lease.touch()
    with lease.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        until = time.clock_gettime(time.CLOCK_BOOTTIME) + 600
        file.write(f"{f'{os.getpid()} runs 600.000 {until:.3f}':<63}\n".encode())
        file.flush()
        yield


class Trial:
    """One run, from its start to its end."""

    def __init__(self, folder: Path, seed: str, usual_s: float, usurping: float) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        graph = draw_graph(self.draw, str(folder / "marks"))
        graph.write(folder)
        self.run_command = Commands(folder, self.draw)
        self.usurping = usurping  # how often a process is stopped instead, and loses its lease
        self.usual_s = usual_s  # how long a command takes that nobody kills
        self.left = self.draw.randint(2, 6)
        self.course = Course(graph, self.draw, self.run_command.ended)

    def pursue(self) -> Judgement:
        """Kills and goes on, writes what happened beside the marks, and has it judged."""
        error, final = "", None
        try:
            final = self._to_the_end()
        except Stuck as stuck:
            error = str(stuck)
        history = {"processes": self.run_command.ended, "final": final, "error": error}
        (self.folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
        return judge(self.folder)

    def _to_the_end(self) -> Any:
        steps, ended = self.course.steps(), None
        try:
            while True:
                wish = steps.send(ended)
                time.sleep(wish.after_s)
                ended = self._work(wish.command) if wish.works else self.run_command(*wish.command)
        except StopIteration as end:
            return end.value

    def _work(self, command: tuple[str, ...]) -> Ended:
        if self.left <= 0:
            before = time.monotonic()
            ended = self.run_command(*command)
            self.usual_s = 0.8 * self.usual_s + 0.2 * (time.monotonic() - before)
            return ended
        moment = self.draw.uniform(0, self.usual_s)
        if self.course.run and self.draw.random() < self.usurping:
            return self._usurp(command, moment)
        ended = self.run_command(*command, kill_after_s=moment)
        self.left -= ended.process.code == -signal.SIGKILL
        return ended

    def _usurp(self, command: tuple[str, ...], moment: float) -> Ended:
        """Stops the process, lets another one take the lease, and lets the first one go on.

        The other one has ended by then, or the run is parked; or it was killed, and there is something left to do.
        """
        commands = self.run_command
        first = commands.start(*command)
        if wait_for(first.pid, moment):
            return commands.wait(first)
        os.kill(first.pid, signal.SIGSTOP)
        stopped = time.time()
        if not first.err.read_text(encoding="utf-8"):  # it has not got the lease yet: it may take it afterwards
            os.kill(first.pid, signal.SIGCONT)
            return commands.wait(first, kill_after_s=moment)
        lease = self.folder / ".somagent" / "lease"
        lease.unlink(missing_ok=True)
        dies = self.draw.uniform(0, self.usual_s) if self.draw.random() < _KILLED_TOO else None
        other = commands("resume", self.course.run, *self.course.parallel, kill_after_s=dies)
        with _held(lease):  # else it could take the lease again, as it may, and begin what is left
            went_on = time.time()
            os.kill(first.pid, signal.SIGCONT)
            old = commands.wait(first, kill_when_told="took over")
        # The other one was killed too early, or the first one stopped in the middle of a write: nobody took anything.
        if not other.process.told or "locked" in other.process.told:
            return old
        commands.ended[-1] = old.process._replace(usurped=(stopped, went_on))
        return other


def campaign(arguments: argparse.Namespace, job: int, say: jobs.Say) -> None:
    """One of several processes that kill; says how each run came out."""
    usual_s, number = 0.3, job
    with (
        tempfile.TemporaryDirectory(prefix=".chaos-", dir=arguments.directory, ignore_cleanup_errors=True) as temporary,
        _databases(arguments) as (server, url),
    ):
        folder = Path(temporary, "run").absolute()
        with _tables(url, folder.with_name("warm")):
            warm(Path(temporary))
        while True:
            seed = arguments.only or f"{arguments.seed}:{number}"
            folder.mkdir()
            with _tables(url, folder) as store:
                if store:
                    shared = workers.SharedTrial(folder, seed, arguments, server, usual_s)
                    found, counted = shared.pursue(), {"outages": shared.outages, "runs": len(shared.parts)}
                    usual_s = shared.usual_s
                else:
                    trial = Trial(folder, seed, usual_s, arguments.usurping)
                    found, counted = trial.pursue(), {"runs": 1}
                    usual_s = trial.usual_s
            kept = keep(folder, arguments.directory, seed.replace(":", "-")) if found.faults else ""
            shutil.rmtree(folder)
            say({**vars(found), **counted, "seed": seed, "kept": kept})
            number += arguments.jobs


@contextlib.contextmanager
def _databases(arguments: argparse.Namespace) -> Iterator[tuple[Any, str]]:
    """The database of this process, which may be killed when it is our own; none for runs that are kept in files."""
    if arguments.store == "file":
        yield None, ""
    elif url := os.environ.get("DATABASE_URL"):
        yield None, url
    else:
        import databases

        with contextlib.closing(databases.Server()) as server:
            yield server, server.address


@contextlib.contextmanager
def _tables(url: str, folder: Path) -> Iterator[str]:
    """Tables for the commands of one trial."""
    if not url:
        yield ""
        return
    import databases

    os.environ["SOMAGENT_STORE"] = databases.tables_for(url, folder)
    try:
        yield os.environ["SOMAGENT_STORE"]
    finally:
        databases.forget(url, folder)


def keep(folder: Path, directory: Path, name: str) -> str:
    """Copies what a fault left behind to `.chaos/`."""
    kept = directory / ".chaos" / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept, symlinks=True)
    return str(kept)


def with_operator() -> None:
    """Installs the operator that leaves the marks, for this process and those that it starts."""
    sys.path.insert(0, str(OPERATOR))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(OPERATOR), os.environ.get("PYTHONPATH", "")])


def warm(folder: Path) -> None:
    """Imports what a run needs, so that the processes forked from this one begin at once."""
    draw_graph(random.Random(0), str(folder / "marks")).write(folder)
    command = [sys.executable, "-c", _IMPORTS, "run", "graph.capsule.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    for name in done.stdout.splitlines()[-1].split():
        importlib.import_module(name)
    gc.freeze()


_IMPORTS = """
import io, os, sys, contextlib
from somagent.cli.main import run_command
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    run_command(sys.argv[1:])
import somagent.workflows.engines.local.worker, somagent.cli.commands.serve
kinds = ("somagent", "msgspec", "asyncio", "sqlite3", "psycopg", "argparse")
print(*(name for name in sys.modules if name.startswith(kinds)))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--store", choices=["file", "postgres"], default="file")
    parser.add_argument("--workers", type=int, default=4, help="at work at once, on PostgreSQL")
    parser.add_argument("--only", default="", help="draw this one run, as it was told")
    parser.add_argument("--usurping", type=float, default=0.05, help="share of processes that lose their lease instead")
    parser.add_argument("--until", default="", help="stop at the first fault of these kinds, with commas between")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to use (default: here)")
    arguments = parser.parse_args()
    with_operator()
    return tell(arguments, *_gather(arguments))


def _gather(arguments: argparse.Namespace) -> tuple[Counter[str], list[Any], float]:
    """Runs the jobs until enough processes have died."""
    arguments.jobs = 1 if arguments.only else arguments.jobs
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, it says how far it came
    start = time.monotonic()
    counted: Counter[str] = Counter()
    faulty = []
    lines = jobs.told(arguments.jobs, lambda job, say: campaign(arguments, job, say))
    with contextlib.closing(lines), contextlib.suppress(KeyboardInterrupt):
        for line in lines:
            for name in ("runs", "kills", "steps", "repeats", "usurped", "outages"):
                counted[name] += line.get(name, 0)
            counted.update(kind for kind, _ in line["faults"])
            if line["faults"]:
                faulty.append(line)
            counted["trials"] += 1
            if counted["trials"] % 250 == 0:
                print(f"{counted['kills']:,} kills, {len(faulty)} faulty runs", file=sys.stderr, flush=True)
            looked_for = any(kind in arguments.until.split(",") for kind, _ in line["faults"])
            if counted["kills"] >= arguments.kills or arguments.only or looked_for:
                break
    return counted, faulty, time.monotonic() - start


def tell(arguments: argparse.Namespace, counted: Counter[str], faulty: list[Any], took_s: float) -> int:
    """Prints the table; 1 when anything is wrong."""
    for line in faulty:
        print(f"seed {line['seed']}: kept in {line['kept']}")
        for kind, what in line["faults"][:10]:
            print(f"  {kind}: {what}")
        store = f" --store postgres --workers {arguments.workers}" if arguments.store != "file" else ""
        print(f"  again: python tests/chaos/kills.py --only {line['seed']}{store}")
        print(f"  judge: python tests/chaos/judge.py {line['kept']}")
    rows = [("killed processes", counted["kills"]), ("runs, all ended", counted["runs"]), ("steps", counted["steps"])]
    if arguments.store != "file":
        rows += [("kills of the database beside them", counted["outages"])]
    rows += [("leases taken from a stopped process", counted["usurped"])]
    rows += [("unrecorded steps repeated", counted["repeats"])]
    rows += [(kind, counted[kind]) for kind in FAULTS]
    for name, count in rows:
        print(f"{name:<40} {count:>8,}")
    print(f"{'seconds':<40} {took_s:>8,.0f}")
    return 1 if faulty or (counted["kills"] < arguments.kills and not arguments.only) else 0


if __name__ == "__main__":
    sys.exit(main())
