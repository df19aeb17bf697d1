"""Every call that changes the data directory has a name here; the process dies before and after each, and each fails.

`python tests/chaos/failpoints.py [--every N] [DEED|NAME|DEED/NAME ...]`. Each deed (`deeds.py`: a run, a decision, a
cancellation, a retry, pruning) is recorded first: a call without a name below, and a name that a deed is to come by
and does not, are faults. Then the deed is done anew for each name and each thing that can happen there, at its first, a
middle and its last call, gone on with, and judged as in `kills.py`. `no space` lasts until the process ends, `i/o
error` and `short write` happen once, so that a second try that would hide the first is seen.

The commits of the journal have names of their own, in `somagent.workflows.engines.local.writer`; they are in
`tests/engine/test_crashes.py`.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import disk
import jobs
from commands import Commands, Ended, Stuck
from deeds import DEEDS, Unreadable
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
    "work.rmdir": ("rmdir", ".somagent/work*"),
    "report.make": ("mkdir", ".somagent/reports"),
    "report.create": ("create", ".somagent/reports/*"),
    "report.write": ("write", ".somagent/reports/*"),
    "report.rename": ("rename", ".somagent/reports/*"),
    "wal.truncate": ("truncate", ".somagent/journal.sqlite3-wal"),
    "log.unlink": ("unlink", ".somagent/logs/*"),
    "log.rmdir": ("rmdir", ".somagent/logs/*"),
    "report.unlink": ("unlink", ".somagent/reports/*"),
    "object.unlink": ("unlink", ".somagent/contents/objects/*"),
}
FAULTS = {
    "killed before": disk.KILL_BEFORE,
    "killed after": disk.KILL_AFTER,
    "no space": disk.NO_SPACE,
    "i/o error": disk.IO_ERROR,
    "short write": disk.SHORT_WRITE,
}
_PRUNED = ["wal.truncate", "log.unlink", "log.rmdir", "report.unlink", "object.unlink"]
_JOURNAL = ["data.sync", "lease.write", "journal.write", "journal.sync", "journal.truncate", "wal.write", "wal.sync",
            "wal.unlink", "shm.write", "shm.truncate", "shm.unlink"]  # fmt: skip
_SHOWN = ["log.create", "log.write", "report.create", "report.write", "report.rename"]
_AT_WORK = ["work.make", "work.create", "work.write", "work.unlink", "work.rmdir"]
_STORED = ["contents.make", "contents.sync", "incoming.make", "objects.make", "arrival.make", "arrival.create",
           "arrival.write", "arrival.sync", "shard.make", "arrival.rename", "shard.sync", "objects.sync",
           "arrival.rmdir"]  # fmt: skip
# What each deed comes by at least.
REACHED: dict[str, list[str]] = {
    "run": [name for name in FAILPOINTS if name not in _PRUNED],
    "approve": [*_JOURNAL, *_STORED, *_SHOWN, *_AT_WORK],
    "reject": [*_JOURNAL, *_SHOWN],
    "cancel": [*_JOURNAL, *_SHOWN],
    "retry": [*_JOURNAL, "log.make", *_SHOWN, *_AT_WORK],
    "prune": [*_JOURNAL, *_PRUNED],
}
_READS = {"open", "close", "told"}


class Trial(NamedTuple):
    """A fault at the `nth` call of that name in a deed."""

    deed: str
    name: str
    fault: str
    nth: int

    def __str__(self) -> str:
        return f"{self.deed}/{self.name}:{self.fault}:{self.nth}"


def named(call: disk.Call) -> str:
    """The name of the failpoint, or what has none."""
    path = call.path2 or call.path
    for name, (what, pattern) in FAILPOINTS.items():
        if call.name == what and fnmatch.fnmatch(path, pattern):
            return name
    return f"no name: {call.name} {path}"


def recorded(deed: str, folder: Path) -> Counter[str]:
    """How often a deed comes by each name when nothing fails."""
    commands = prepared(deed, folder)
    command = DEEDS[deed].prepare(commands)
    trace = folder.parent / "trace"
    file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    started = commands.start(*command, first=lambda: disk.watch(folder, file))
    os.close(file)
    ended = commands.wait(started)
    if ended.process.code:
        raise SystemExit(ended.process.told)
    return Counter(named(call) for call in disk.read_trace(trace) if call.name not in _READS)


def prepared(deed: str, folder: Path) -> Commands:
    """The folder with the capsule; marks and output are beside it, where nothing fails."""
    folder.mkdir(parents=True)
    DEEDS[deed].graph(str(folder.parent / "marks")).write(folder)
    return Commands(folder, random.Random(0), beside=folder.parent)


def attempt(trial: Trial, folder: Path) -> tuple[str, list[tuple[str, str]]]:
    """Does the deed, has the fault happen, goes on; how the process took it, and what is wrong."""
    deed = DEEDS[trial.deed]
    commands = prepared(trial.deed, folder / "run")
    call, pattern = FAILPOINTS[trial.name]
    fault = FAULTS[trial.fault]

    def arm() -> None:
        disk.watch(folder / "run", call=call, pattern=pattern, nth=trial.nth, fault=fault)

    faults: list[tuple[str, str]] = []
    history: dict[str, Any] = {"final": None, "error": ""}
    took = "?"
    try:
        command = deed.prepare(commands)
        ended = commands.wait(commands.start(*command, first=arm))
        took = _took(ended, faults)
        ended = deed.go_on(commands, ended if took == "went on" else None)
        history["final"] = json.loads(ended.out) if ended.out else None
        if ended.process.code not in deed.codes:
            history["error"] = f"it cannot be gone on with: {ended.process.code}: {ended.process.told}"
        else:
            faults += deed.check(commands, ended)
    except (Stuck, Unreadable) as stuck:
        history["error"] = str(stuck)
    history["processes"] = commands.ended
    (folder / "run" / "history.json").write_text(json.dumps(history), encoding="utf-8")
    (folder / "marks").touch()
    shutil.copy(folder / "marks", folder / "run" / "marks")
    if deed.judged:
        faults += judge(folder / "run").faults
    elif history["error"]:
        faults.append(("wrong end", history["error"]))
    return took, faults


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
        case 5 if len(errors) == 1 and any(words in errors[0] for words in ("cannot write", "cannot remove", "disk")):
            return "stopped"
        case code:
            faults.append(("wrong end", f"ended with {code} and said: {ended.process.told}"))
            return f"exit {code}"


def trials(counted: dict[str, Counter[str]], names: list[str]) -> list[Trial]:
    """Each fault at the first, a middle and the last call of each name."""
    found = []
    for deed, reached in counted.items():
        for name in FAILPOINTS:
            if names and name not in names and f"{deed}/{name}" not in names and deed not in names:
                continue
            for fault in FAULTS:
                if fault != "short write" or name.endswith(".write"):
                    moments = sorted({1, reached[name] // 2 + 1, reached[name]} - {0})
                    found += [Trial(deed, name, fault, nth) for nth in moments if nth <= reached[name]]
    return found


def uncovered(counted: dict[str, Counter[str]]) -> list[str]:
    """Names that no call of a deed has, and calls that have no name."""
    missing = []
    for deed, reached in counted.items():
        missing += [f"never reached: {deed}/{name}" for name in REACHED[deed] if not reached[name]]
        missing += [f"{deed}: {name}" for name in reached if name not in FAILPOINTS]
    return missing


def main() -> int:
    disk.preloaded()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=1, help="try each N-th only")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to use (default: here)")
    parser.add_argument("names", nargs="*", metavar="DEED|NAME|DEED/NAME[:FAULT:NTH]")
    arguments = parser.parse_args()
    with_operator()
    with tempfile.TemporaryDirectory(
        prefix=".failpoints-", dir=arguments.directory, ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary).absolute()
        (folder / "warm").mkdir()
        warm(folder / "warm")
        counted = {deed: recorded(deed, folder / f"whole-{deed}" / "run") for deed in DEEDS}
        missing = uncovered(counted)
        exact = [
            Trial(*place.split("/"), fault, int(nth))
            for place, fault, nth in (one.split(":") for one in arguments.names if ":" in one)
        ]
        drawn = exact or trials(counted, arguments.names)[:: arguments.every]

        def work(job: int, say: jobs.Say) -> None:
            for number, trial in list(enumerate(drawn))[job :: arguments.jobs]:
                place = folder / str(number)
                took, faults = attempt(trial, place)
                kept = keep(place, arguments.directory, re.sub("[:/ ]", "-", str(trial))) if faults else ""
                shutil.rmtree(place, ignore_errors=True)
                say({"trial": trial, "took": took, "faults": faults, "kept": kept})

        done = list(jobs.told(arguments.jobs, work))
    return tell(done, missing)


def tell(done: list[Any], missing: list[str]) -> int:
    """Prints the table; 1 when anything is wrong."""
    took: dict[str, Counter[str]] = defaultdict(Counter)
    faulty = [line for line in done if line["faults"]]
    for line in done:
        _, _, fault, _ = line["trial"]
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
    places = sum(map(len, REACHED.values()))
    never = len([name for name in missing if name.startswith("never")])
    print(f"{places - never} of {places} places in {len(DEEDS)} deeds reached")
    for name in missing:
        print(name)
    print(f"{len(done)} trials, {len(faulty)} with faults")
    return 1 if faulty or missing else 0


if __name__ == "__main__":
    sys.exit(main())
