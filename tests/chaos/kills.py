"""Random runs are killed at random moments and gone on with until they have ended; then a judge looks.

`python tests/chaos/kills.py [--kills 10000] [--seed 1] [--jobs N]`. Every process is the real command, forked from this
one to save the start of Python (one in fifty is started afresh), and dies by SIGKILL at a time drawn uniformly from how
long the command takes. Some are stopped instead, while another one takes their lease, and then go on; some runs are
cancelled. What a fault leaves behind is kept in `.chaos/`, and `--only SEED` draws that run again; when a process dies
is the machine's.
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
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jobs
from graphs import Graph, draw_graph
from judge import FAULTS, Judgement, Process, judge

HERE = Path(__file__).parent
OPERATOR = HERE / "operator"
_REFUSED = re.compile(
    r"has decided on step .* already|does not wait any more|the time to decide ended|cannot be cancelled"
)
_MOST_PROCESSES, _LONGEST_S, _AFRESH = 80, 30.0, 0.02


class Started(NamedTuple):
    """A command at work."""

    pid: int
    command: tuple[str, ...]
    at: float
    out: Path
    err: Path


class Ended(NamedTuple):
    """A command that has ended, by itself or not."""

    process: Process
    out: str


class Commands:
    """Runs the real command in a folder and remembers how each ended."""

    def __init__(self, folder: Path, draw: random.Random, beside: Path | None = None) -> None:
        """What they print is kept in `beside`."""
        self.folder, self.draw, self._beside = folder, draw, beside or folder
        self.ended: list[Process] = []
        self._started = 0

    def __call__(self, *command: str, kill_after_s: float | None = None) -> Ended:
        return self.wait(self.start(*command, afresh=self.draw.random() < _AFRESH), kill_after_s)

    def start(self, *command: str, afresh: bool = False, first: Callable[[], None] = lambda: None) -> Started:
        """Forks it, and calls `first` in its process; its output goes into files of its own."""
        self._started += 1
        out, err = (self._beside / f"{name}.{self._started}" for name in ("out", "err"))
        files = [os.open(os.devnull, os.O_RDONLY), *(os.open(path, os.O_WRONLY | os.O_CREAT) for path in (out, err))]
        at = time.time()
        # The campaign is told to stop by a signal; in the middle of a fork its exception would go to hooks of Python's.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        child = os.fork()
        if child:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            _become(self.folder, [*command, "--output", "json"], files, first, afresh=afresh)
        for file in files:
            os.close(file)
        return Started(child, command, at, out, err)

    def wait(self, started: Started, kill_after_s: float | None = None, kill_when_told: str = "") -> Ended:
        """Waits for it, or kills it: after that time, or when it has said that."""
        ended_by_itself = False
        try:
            if kill_when_told:
                kill_after_s = _wait_until_told(started, kill_when_told)
            ended_by_itself = _wait_for(started.pid, _LONGEST_S if kill_after_s is None else kill_after_s)
        finally:  # the campaign may be told to stop meanwhile
            if not ended_by_itself:
                os.kill(started.pid, signal.SIGKILL)
            _, status = os.waitpid(started.pid, 0)
        told = started.err.read_text(encoding="utf-8", errors="replace")
        code = os.waitstatus_to_exitcode(status)
        process = Process(started.pid, list(started.command), started.at, time.time(), code, told)
        self.ended.append(process)
        if kill_after_s is None and not ended_by_itself:
            raise Stuck(f"`{' '.join(started.command)}` was still at work after {_LONGEST_S:.0f} s")
        if "Traceback" in told or "fault of SomaGent" in told:
            raise Stuck(f"`{' '.join(started.command)}`: {told[-2000:]}")
        return Ended(process, started.out.read_text(encoding="utf-8"))


class Stuck(Exception):
    """A run does not end; the message says where."""


def _become(folder: Path, command: list[str], files: list[int], first: Callable[[], None], *, afresh: bool) -> NoReturn:
    code = 70
    try:
        os.chdir(folder)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        first()
        if afresh:
            program = "from somagent.cli.main import main; main()"
            os.execve(sys.executable, [sys.executable, "-c", program, *command], dict(os.environ))
        sys.argv = ["somagent", *command]
        from somagent.cli.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


def _wait_for(child: int, seconds: float) -> bool:
    """Whether it ended by itself in that time."""
    end = time.monotonic() + seconds
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(0.002, left))
    return True


def _wait_until_told(started: Started, words: str) -> float | None:
    """0 when it said so; None when it ended, or was silent for too long, which is for others to find."""
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end and not _wait_for(started.pid, 0.02):
        if words in started.err.read_text(encoding="utf-8", errors="replace"):
            return 0.0
    return None


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
        self.graph: Graph = draw_graph(self.draw, str(folder / "marks"))
        self.graph.write(folder)
        self.run_command = Commands(folder, self.draw)
        self.usurping = usurping  # how often a process is stopped instead, and loses its lease
        self.usual_s = usual_s  # how long a command takes that nobody kills
        self.left = self.draw.randint(2, 6)
        self.parallel = ("--parallel", str(self.graph.parallel))
        self.agreed: dict[str, list[str]] = {}
        self.cancelling = self.draw.random() < 0.1

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
        run, command = "", ("run", "graph.capsule.yaml")
        while len(self.run_command.ended) < _MOST_PROCESSES:
            if run and self.cancelling and self.draw.random() < 0.3:
                command = ("cancel", run)
            ended = self._work(run, command if command[0] == "cancel" else (*command, *self.parallel))
            run = run or self._run()
            command = ("resume", run) if run else command
            code = ended.process.code
            if ended.process.command[0] == "approve" and code != -signal.SIGKILL:
                self.agreed[ended.process.command[2]].append(ended.process.command[4])
            if code == -signal.SIGKILL:
                continue
            if code == 3:
                command = self._decide(run, json.loads(ended.out))
            elif code in {0, 1, 4} and '"phase"' in ended.out:
                final = json.loads(ended.out)
                if final["endedAt"]:  # else a cancellation was written down while the lock of a dead process lingered
                    return final
            elif code != 2 or not _REFUSED.search(ended.process.told):
                said = f"{ended.process.told[-2000:]}{ended.out[-2000:]}"
                raise Stuck(f"`{' '.join(ended.process.command)}` ended with {code}: {said}")
        raise Stuck(f"the run has not ended after {_MOST_PROCESSES} processes")

    def _work(self, run: str, command: tuple[str, ...]) -> Ended:
        if self.left <= 0:
            before = time.monotonic()
            ended = self.run_command(*command)
            self.usual_s = 0.8 * self.usual_s + 0.2 * (time.monotonic() - before)
            return ended
        moment = self.draw.uniform(0, self.usual_s)
        if run and self.draw.random() < self.usurping:
            return self._usurp(run, command, moment)
        ended = self.run_command(*command, kill_after_s=moment)
        self.left -= ended.process.code == -signal.SIGKILL
        return ended

    def _usurp(self, run: str, command: tuple[str, ...], moment: float) -> Ended:
        """Stops the process, lets another one take the lease and end or park, and lets the first one go on."""
        commands = self.run_command
        first = commands.start(*command)
        if _wait_for(first.pid, moment):
            return commands.wait(first)
        os.kill(first.pid, signal.SIGSTOP)
        stopped = time.time()
        if not first.err.read_text(encoding="utf-8"):  # it has not got the lease yet: it may take it afterwards
            os.kill(first.pid, signal.SIGCONT)
            return commands.wait(first, kill_after_s=moment)
        lease = self.folder / ".somagent" / "lease"
        lease.unlink(missing_ok=True)
        other = commands("resume", run, *self.parallel)
        with _held(lease):  # else it could take the lease again, as it may, and begin what is left
            went_on = time.time()
            os.kill(first.pid, signal.SIGCONT)
            old = commands.wait(first, kill_when_told="took over")
        if "locked" in other.process.told:  # it had been stopped in the middle of a write: nobody took anything
            return old
        commands.ended[-1] = old.process._replace(usurped=(stopped, went_on))
        return other

    def _run(self) -> str:
        """The run, if one was submitted: told, or found."""
        for process in self.run_command.ended:
            if found := re.match(r"graph (r-\S+)", process.told):
                return found[1]
        listed = self.run_command("runs")
        self.run_command.ended.pop()
        runs = [one["id"] for one in json.loads(listed.out)] if listed.process.code == 0 else []
        return runs[-1] if runs else ""

    def _decide(self, run: str, shown: Any) -> tuple[str, ...]:
        """The next command of a run that waits for people."""
        gates = sorted(_waiting(shown))
        if not gates:
            raise Stuck("the run waits, and nobody is asked")
        due = [self.graph.gates[gate].due_s for gate in gates]
        if all(due) and self.draw.random() < 0.7:
            time.sleep(max(due))  # the date passes while nobody is at work
            return ("resume", run)
        gate = self.draw.choice(gates)
        agreed = self.agreed.setdefault(gate, [])
        left = [person for person in self.graph.gates[gate].users if person not in agreed]
        again = agreed and (not left or self.draw.random() < 0.4)
        person = agreed[0] if again else self.draw.choice(left)  # who says it again must not count twice
        return ("approve", run, gate, "--as", person)


def _waiting(shown: Any, above: str = "") -> set[str]:
    found = set()
    for name, step in shown["steps"].items():
        if "run" in step:
            found |= _waiting(step["run"], f"{above}{name}/")
        elif "waiting" in step:
            found.add(above + name)
    return found


def campaign(arguments: argparse.Namespace, job: int, say: jobs.Say) -> None:
    """One of several processes that kill; says how each run came out."""
    usual_s, number = 0.3, job
    with tempfile.TemporaryDirectory(
        prefix=".chaos-", dir=arguments.directory, ignore_cleanup_errors=True
    ) as temporary:
        warm(Path(temporary))
        while True:
            seed = arguments.only or f"{arguments.seed}:{number}"
            folder = Path(temporary, "run").absolute()
            folder.mkdir()
            trial = Trial(folder, seed, usual_s, arguments.usurping)
            found = trial.pursue()
            usual_s = trial.usual_s
            kept = keep(folder, arguments.directory, seed.replace(":", "-")) if found.faults else ""
            shutil.rmtree(folder)
            say({**vars(found), "seed": seed, "kept": kept})
            number += arguments.jobs


def keep(folder: Path, directory: Path, name: str) -> str:
    """Copies what a fault left behind to `.chaos/`."""
    kept = directory / ".chaos" / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
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
print(*(name for name in sys.modules if name.startswith(("somagent", "msgspec", "asyncio", "sqlite3", "argparse"))))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="draw this one run, as it was told")
    parser.add_argument("--usurping", type=float, default=0.05, help="share of processes that lose their lease instead")
    parser.add_argument("--first", action="store_true", help="stop at the first fault")
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
            counted["runs"] += 1
            for name in ("kills", "steps", "repeats", "usurped"):
                counted[name] += line[name]
            counted.update(kind for kind, _ in line["faults"])
            if line["faults"]:
                faulty.append(line)
            if counted["runs"] % 250 == 0:
                print(f"{counted['kills']:,} kills, {len(faulty)} faulty runs", file=sys.stderr, flush=True)
            if counted["kills"] >= arguments.kills or arguments.only or (faulty and arguments.first):
                break
    return counted, faulty, time.monotonic() - start


def tell(arguments: argparse.Namespace, counted: Counter[str], faulty: list[Any], took_s: float) -> int:
    """Prints the table; 1 when anything is wrong."""
    for line in faulty:
        print(f"seed {line['seed']}: kept in {line['kept']}")
        for kind, what in line["faults"][:10]:
            print(f"  {kind}: {what}")
        print(f"  again: python tests/chaos/kills.py --only {line['seed']}")
        print(f"  judge: python tests/chaos/judge.py {line['kept']}")
    rows = [("killed processes", counted["kills"]), ("runs, all ended", counted["runs"]), ("steps", counted["steps"])]
    rows += [("leases taken from a stopped process", counted["usurped"])]
    rows += [("unrecorded steps repeated", counted["repeats"])]
    rows += [(kind, counted[kind]) for kind in FAULTS]
    for name, count in rows:
        print(f"{name:<40} {count:>8,}")
    print(f"{'seconds':<40} {took_s:>8,.0f}")
    return 1 if faulty or (counted["kills"] < arguments.kills and not arguments.only) else 0


if __name__ == "__main__":
    sys.exit(main())
