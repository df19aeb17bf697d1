"""Every call that changes the data directory has a name here; the process dies before and after each, and each fails.

`python tests/chaos/failpoints.py [--short] [NAME ...]`. A run is recorded first: a call without a name below, and a
name that no call has, are faults. Then the run is begun anew for each name and each thing that can happen there, at
its first and at a middle call, gone on with, and judged as in `kills.py`. `no space` lasts until the process ends,
`i/o error` and `short write` happen once, so that a second try that would hide the first is seen.

The commits of the journal have names of their own, in `somagent.workflows.engines.local.writer`; they are in
`tests/engine/test_crashes.py`.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import disk
import jobs
from commands import Commands, Ended, Stuck
from graphs import HEAD, SCRIPT, Graph, Want
from judge import judge
from kills import keep, warm, with_operator

# Where they are: call and path below the folder that holds `.somagent`; the first that fits is the name.
FAILPOINTS: dict[str, tuple[str, str]] = {
    "data.make": ("mkdir", ".somagent"),
    "above.sync": ("sync", "."),
    "data.sync": ("sync", ".somagent"),
    "ignore.create": ("create", ".somagent/.gitignore"),
    "ignore.write": ("write", ".somagent/.gitignore"),
    "lease.create": ("create", ".somagent/lease"),
    "lease.write": ("write", ".somagent/lease"),
    "journal.create": ("create", ".somagent/journal.sqlite3"),
    "journal.write": ("write", ".somagent/journal.sqlite3"),
    "journal.sync": ("sync", ".somagent/journal.sqlite3"),
    "journal.truncate": ("truncate", ".somagent/journal.sqlite3"),
    "rollback.create": ("create", ".somagent/journal.sqlite3-journal"),
    "rollback.write": ("write", ".somagent/journal.sqlite3-journal"),
    "rollback.sync": ("sync", ".somagent/journal.sqlite3-journal"),
    "rollback.unlink": ("unlink", ".somagent/journal.sqlite3-journal"),
    "wal.create": ("create", ".somagent/journal.sqlite3-wal"),
    "wal.write": ("write", ".somagent/journal.sqlite3-wal"),
    "wal.sync": ("sync", ".somagent/journal.sqlite3-wal"),
    "wal.unlink": ("unlink", ".somagent/journal.sqlite3-wal"),
    "shm.create": ("create", ".somagent/journal.sqlite3-shm"),
    "shm.write": ("write", ".somagent/journal.sqlite3-shm"),
    "shm.truncate": ("truncate", ".somagent/journal.sqlite3-shm"),
    "shm.unlink": ("unlink", ".somagent/journal.sqlite3-shm"),
    "contents.make": ("mkdir", ".somagent/contents"),
    "contents.sync": ("sync", ".somagent/contents"),
    "incoming.make": ("mkdir", ".somagent/contents/incoming"),
    "objects.make": ("mkdir", ".somagent/contents/objects"),
    "copies.make": ("mkdir", ".somagent/contents/copies"),
    "arrival.make": ("mkdir", ".somagent/contents/incoming/*"),
    "arrival.create": ("create", ".somagent/contents/incoming/*"),
    "arrival.write": ("write", ".somagent/contents/incoming/*"),
    "arrival.sync": ("sync", ".somagent/contents/incoming/*"),
    "shard.make": ("mkdir", ".somagent/contents/objects/*"),
    "arrival.rename": ("rename", ".somagent/contents/objects/*"),
    "shard.sync": ("sync", ".somagent/contents/objects/*"),
    "objects.sync": ("sync", ".somagent/contents/objects"),
    "arrival.rmdir": ("rmdir", ".somagent/contents/incoming/*"),
    "copy.make": ("mkdir", ".somagent/contents/copies/*"),
    "copy.create": ("create", ".somagent/contents/copies/*"),
    "copy.write": ("write", ".somagent/contents/copies/*"),
    "copy.rename": ("rename", ".somagent/contents/copies/*"),
    "copies.retire": ("rename", ".somagent/work/copies-*"),
    "log.make": ("mkdir", ".somagent/logs*"),
    "log.create": ("create", ".somagent/logs/*"),
    "log.write": ("write", ".somagent/logs/*"),
    "work.make": ("mkdir", ".somagent/work*"),
    "work.create": ("create", ".somagent/work/*"),
    "work.write": ("write", ".somagent/work/*"),
    "work.unlink": ("unlink", ".somagent/work/*"),
    "work.rmdir": ("rmdir", ".somagent/work/*"),
    "report.make": ("mkdir", ".somagent/reports"),
    "report.create": ("create", ".somagent/reports/*"),
    "report.write": ("write", ".somagent/reports/*"),
    "report.rename": ("rename", ".somagent/reports/*"),
}
FAULTS = {
    "killed before": disk.KILL_BEFORE,
    "killed after": disk.KILL_AFTER,
    "no space": disk.NO_SPACE,
    "i/o error": disk.IO_ERROR,
    "short write": disk.SHORT_WRITE,
}
PARALLEL = ("--parallel", "2")
_READS = {"open", "close", "told"}


class Trial(NamedTuple):
    """A fault at the `nth` call of that name."""

    name: str
    fault: str
    nth: int

    def __str__(self) -> str:
        return f"{self.name}:{self.fault}:{self.nth}"


def workload(marks: str) -> Graph:
    """Uses everything that is written: values, large values, artifacts, copies of them, logs, runs inside, a report."""
    graph = Graph(files={}, capsules=["inner"], parallel=2)
    again = {"attempts": 3, "backoff": "20ms", "failures": ["transient", "error"]}  # what fails once is tried again

    def mark(place: str, needs: dict[str, str], **given: Any) -> dict[str, Any]:
        graph.places[place] = Want(needs=list(needs), attempts=3, backoff_s=0.02)
        inputs = [f"${{{{ {cel} }}}}" for cel in needs.values()]
        return {"operator": {"name": "mark", "with": {"marks": marks, "inputs": inputs, **given}}, "retry": again}

    def script(place: str, more: str, **env: str) -> dict[str, Any]:
        graph.places[place] = Want(attempts=3, backoff_s=0.02)
        given = {"MARKS": marks, "SECONDS_AT_WORK": "0", "INPUTS": "[]", **env}
        return {"script": {"run": SCRIPT + more, "env": given}, "retry": again}

    text = {"value": {"type": "string"}}
    files = {"site": {"type": "artifact", "path": "site"}, "page": {"type": "artifact", "path": "page"}}
    making = "mkdir site; echo one > site/one; echo two > site/two; echo page > page; echo made\n"
    reading = '[ "$(cat "$SITE/one" "$SITE/two" "$PAGE" | tr "\\n" " ")" = "one two page " ]\n'
    artifacts = {"SITE": "${{ steps.make.site }}", "PAGE": "${{ steps.make.page }}"}
    many = mark("/many", {"/first": "steps.first.value"}, fail=1)
    want = graph.places.pop("/many")
    graph.places |= {"/many/0": want, "/many/1": want}
    steps = {
        "first": mark("/first", {}),
        "large": mark("/large", {"/first": "steps.first.value"}, padding=70_000),
        "make": script("/make", making) | {"outputs": {**text, **files}},
        "read": script("/read", reading, **artifacts) | {"outputs": text},
        "many": many | {"forEach": "${{ [1, 2] }}"},
        "inner": {"capsule": {"use": "inner"}},
        "last": mark("/last", {"/large": "steps.large.value", "/many/*": "steps.many.map(i, i.value)"}),
    }
    inner = {"steps": {"in": mark(".inner/in", {}), "deep": script(".inner/deep", "") | {"outputs": text}}}
    spec = {
        "uses": {"capsules": {"inner": "./inner.capsule.yaml"}},
        "budget": {"tokens": "1k"},
        "steps": steps,
        "outputs": {"spent": "${{ run.spend.tokens }}"},
    }
    graph.places["/tell"] = Want(final=1)
    spec["finally"] = {"tell": mark("/tell", {})}
    graph.places["/tell"].final = 1
    for name, one in (("graph", spec), ("inner", inner)):
        graph.files[f"{name}.capsule.yaml"] = {**HEAD, "metadata": {"name": name}, "spec": one}
    return graph


def named(call: disk.Call) -> str:
    """The name of the failpoint, or what has none."""
    path = call.path2 or call.path
    for name, (what, pattern) in FAILPOINTS.items():
        if call.name == what and fnmatch.fnmatch(path, pattern):
            return name
    return f"no name: {call.name} {path}"


def recorded(folder: Path) -> Counter[str]:
    """How often a whole run comes by each name."""
    commands = prepared(folder)
    trace = folder.parent / "trace"
    file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    started = commands.start("run", "graph.capsule.yaml", *PARALLEL, first=lambda: disk.watch(folder, file))
    os.close(file)
    ended = commands.wait(started)
    if ended.process.code:
        raise SystemExit(ended.process.told)
    return Counter(named(call) for call in disk.read_trace(trace) if call.name not in _READS)


def prepared(folder: Path) -> Commands:
    """The folder with the capsule; marks and output are beside it, where nothing fails."""
    folder.mkdir(parents=True)
    workload(str(folder.parent / "marks")).write(folder)
    return Commands(folder, random.Random(0), beside=folder.parent)


def attempt(trial: Trial, folder: Path) -> tuple[str, list[tuple[str, str]]]:
    """Begins the run, has the fault happen, goes on; how the process took it, and what is wrong."""
    commands = prepared(folder / "run")
    call, pattern = FAILPOINTS[trial.name]
    fault = FAULTS[trial.fault]

    def arm() -> None:
        disk.watch(folder / "run", call=call, pattern=pattern, nth=trial.nth, fault=fault)

    run_command = ("run", "graph.capsule.yaml", *PARALLEL)
    faults: list[tuple[str, str]] = []
    history: dict[str, Any] = {"final": None, "error": ""}
    took = "?"
    try:
        ended = commands.wait(commands.start(*run_command, first=arm))
        took = _took(ended, faults)
        listed = commands("runs")
        commands.ended.pop()
        if listed.process.code:
            faults.append(("wrong end", f"`runs` ended with {listed.process.code}: {listed.process.told}"))
        runs = json.loads(listed.out) if listed.out else []
        if took != "went on":
            ended = commands(*(("resume", runs[0]["id"], *PARALLEL) if runs else run_command))
        history["final"] = json.loads(ended.out) if ended.out else None
        if ended.process.code:
            history["error"] = f"the run cannot be gone on with: {ended.process.code}: {ended.process.told}"
    except Stuck as stuck:
        history["error"] = str(stuck)
    history["processes"] = commands.ended
    (folder / "run" / "history.json").write_text(json.dumps(history), encoding="utf-8")
    (folder / "marks").touch()
    shutil.copy(folder / "marks", folder / "run" / "marks")
    return took, faults + judge(folder / "run").faults


def _took(ended: Ended, faults: list[tuple[str, str]]) -> str:
    """How the process took it, from its exit code; its message is held against what it must say."""
    said = ended.process.told.splitlines()
    errors = [line for line in said if line.startswith(("error: ", "warning: "))]
    match ended.process.code:
        case -9:
            return "killed"
        case 0:
            return (
                "tried again"
                if any("another follows: it filled" in line or "rror" in line for line in said)
                else "went on"
            )
        case 5 if len(errors) == 1 and ("cannot write" in errors[0] or "disk" in errors[0]):
            return "stopped"
        case code:
            faults.append(("wrong end", f"ended with {code} and said: {ended.process.told}"))
            return f"exit {code}"


def trials(counted: Counter[str], names: list[str]) -> list[Trial]:
    """Each fault at the first, a middle and the last call of each name."""
    found = []
    for name in names or FAILPOINTS:
        for fault in FAULTS:
            if fault != "short write" or name.endswith(".write"):
                moments = sorted({1, counted[name] // 2 + 1, counted[name]} - {0})
                found += [Trial(name, fault, nth) for nth in moments if nth <= counted[name]]
    return found


def uncovered(counted: Counter[str]) -> list[str]:
    """Names that no call has, and calls that have no name."""
    return [f"never reached: {name}" for name in FAILPOINTS if not counted[name]] + [
        name for name in counted if name not in FAILPOINTS
    ]


def main() -> int:
    disk.preloaded()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="try each N-th only")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to use (default: here)")
    parser.add_argument("names", nargs="*", metavar="NAME[:FAULT:NTH]")
    arguments = parser.parse_args()
    with_operator()
    with tempfile.TemporaryDirectory(
        prefix=".failpoints-", dir=arguments.directory, ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary).absolute()
        (folder / "warm").mkdir()
        warm(folder / "warm")
        counted = recorded(folder / "whole" / "run")
        missing = uncovered(counted)
        exact = [
            Trial(name, fault, int(nth)) for name, fault, nth in (a.split(":") for a in arguments.names if ":" in a)
        ]
        drawn = exact or trials(counted, arguments.names)[:: arguments.every]

        def work(job: int, say: jobs.Say) -> None:
            for number, trial in list(enumerate(drawn))[job :: arguments.jobs]:
                place = folder / str(number)
                took, faults = attempt(trial, place)
                kept = keep(place, arguments.directory, str(trial).replace(":", "-")) if faults else ""
                shutil.rmtree(place, ignore_errors=True)
                say({"trial": trial, "took": took, "faults": faults, "kept": kept})

        done = list(jobs.told(arguments.jobs, work))
    return tell(done, missing)


def tell(done: list[Any], missing: list[str]) -> int:
    """Prints the table; 1 when anything is wrong."""
    took: dict[str, Counter[str]] = defaultdict(Counter)
    faulty = [line for line in done if line["faults"]]
    for line in done:
        _, fault, _ = line["trial"]
        took[fault][line["took"]] += 1
    for line in faulty:
        print(f"{Trial(*line['trial'])} ({line['took']}): kept in {line['kept']}")
        for kind, what in line["faults"][:6]:
            print(f"  {kind}: {what}")
    for fault, ways in took.items():
        print(
            f"{fault:<14} {sum(ways.values()):>5}  "
            + ", ".join(f"{way} {count}" for way, count in sorted(ways.items()))
        )
    print(
        f"{len(FAILPOINTS) - len([name for name in missing if name.startswith('never')])} of {len(FAILPOINTS)} reached"
    )
    for name in missing:
        print(name)
    print(f"{len(done)} trials, {len(faulty)} with faults")
    return 1 if faulty or missing else 0


if __name__ == "__main__":
    sys.exit(main())
