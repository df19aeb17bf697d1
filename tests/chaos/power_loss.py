"""The power goes at every sync of a run, and what was not synced is there or not: what was told must be there.

`python tests/chaos/power_loss.py [--cuts 1000] [--seed 1]`. A run with everything that is kept for good (see
`deeds.everything`), with a gate and in three processes, is recorded call by call. For each point before and after a
sync, and after each line that a command printed, images of the disk are made (see `crash_images`) and opened by the
engine: each step that had been told must have the result that the whole run has, large values and artifacts included,
and SQLite must find its file in order. Every fiftieth image is gone on with to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import disk
import jobs
from commands import Commands
from crash_images import NOT_ON_DISK, Replay, chooser
from deeds import PARALLEL, everything
from kills import keep, warm, with_operator

_TOLD = re.compile(r"^ *[\d.]+s  ✓ (\S+) +Succeeded", re.MULTILINE)
_AFTER = {"sync", "syncall", "told"}


def record(folder: Path) -> tuple[list[disk.Call], Any]:
    """The calls of a run that waits for a decision on its way, and how it ended."""
    graph = everything(str(folder.parent / "marks"))
    spec = graph.files["graph.capsule.yaml"]["spec"]
    spec["steps"]["agree"] = {"review": {"title": "May it go on"}, "needs": ["large", "read"]}
    spec["steps"]["last"]["needs"] = ["agree"]
    folder.mkdir(parents=True)
    graph.write(folder)
    commands = Commands(folder, random.Random(0), beside=folder.parent)
    trace = folder.parent / "trace"
    run = ""
    for command in (
        ["run", "graph.capsule.yaml", *PARALLEL],
        ["approve", "RUN", "agree", "--as", "ana", "--no-resume"],
        ["resume", "RUN", *PARALLEL],
    ):
        file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, b"process -1 0 0 |\n")
        words = [run if word == "RUN" else word for word in command]
        started = commands.start(*words, first=lambda to=file: disk.watch(folder, to))
        os.close(file)
        ended = commands.wait(started)
        if ended.process.code not in {0, 3}:
            raise SystemExit(f"{command}: {ended.process.told}")
        run = run or json.loads(ended.out)["id"]
    return list(disk.read_trace(trace)), json.loads(ended.out)


def check_trace(calls: list[disk.Call], folder: Path, image: Path) -> None:
    """Everything kept, the image is what is really there: so no call was missed."""
    image.mkdir()
    Replay(calls).write(image, lambda: True, torn=False)
    for path in sorted((folder / ".somagent").rglob("*")):
        again = image / path.relative_to(folder)
        if path.name.endswith(NOT_ON_DISK) or "work" in path.parts:  # there, scripts write too
            continue
        if path.is_file() and (not again.is_file() or again.read_bytes() != path.read_bytes()):
            raise SystemExit(f"the trace does not account for {path.relative_to(folder)}")


def cut_points(calls: list[disk.Call]) -> list[int]:
    """How many calls have been made when the power goes: before and after each sync, and after each line told."""
    points = {at + 1 for at, call in enumerate(calls) if call.name in _AFTER}
    points |= {at for at, call in enumerate(calls) if call.name in {"sync", "syncall"}}
    return sorted(points)


class Promise:
    """What had been told when the power went."""

    def __init__(self, calls: list[disk.Call], final: Any) -> None:
        told = b"".join(call.content for call in calls if call.name == "told" and call.fd == 2)
        self.text = told.decode(errors="replace")
        out = b"".join(call.content for call in calls if call.name == "told" and call.fd == 1)
        self.approved = b"approved" in out or b'"decided"' in out
        self.final = final
        self.steps = _TOLD.findall(self.text)
        self.run = self.text.startswith("graph r-")

    def broken(self, folder: Path) -> Iterator[tuple[str, str]]:
        """What of it is not there."""
        from somagent.operators.runner.contents import ContentError, Contents
        from somagent.workflows.engines.local import LocalEngine
        from somagent.workflows.engines.protocol import EngineError

        if not self.run:
            return
        try:
            view = LocalEngine(folder / ".somagent", {}).view(self.final["id"])
        except (EngineError, sqlite3.Error) as error:
            yield "lost", f"the run: {type(error).__name__}: {error}"
            return
        with sqlite3.connect(folder / ".somagent" / "journal.sqlite3") as db:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
        db.close()
        if found != "ok":
            yield "damaged", found
        contents = Contents(folder / ".somagent" / "contents")
        if self.approved and not view.decisions:
            yield "lost", "the decision"
        for name in self.steps:
            step, end = _found(view, self.final, name)
            if step is None or step.phase != "Succeeded" or step.outputs != end.get("outputs", {}):
                yield "lost", f"step {name}: {step and (step.phase, step.outputs)}"
            for digest in re.findall(r"sha256:[0-9a-f]{64}", json.dumps(end.get("outputs", {}))):
                try:
                    whole = contents.read_bytes(digest)
                    for part in re.findall(rb"sha256:[0-9a-f]{64}", whole[:10_000]):
                        contents.read_bytes(part.decode())
                except ContentError as error:
                    yield "lost", f"content of step {name}: {error}"


def _found(view: Any, final: Any, name: str) -> tuple[Any, Any]:
    above, _, last = name.rpartition("/")
    if above:
        outer = next(step for step in view.steps if step.id == above)
        return (
            _found(outer.inner, final["steps"][above]["run"], last)
            if outer.inner
            else (None, final["steps"][above]["run"]["steps"][last])
        )
    return next((step for step in view.steps if step.id == name), None), final["steps"][name]


def main() -> int:
    disk.preloaded()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--lying", action="store_true", help="the disk ignores every sync: this must lose results")
    parser.add_argument("--only", type=int, help="make this one image, as it was told")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to use (default: here)")
    arguments = parser.parse_args()
    with_operator()
    with tempfile.TemporaryDirectory(
        prefix=".power-", dir=arguments.directory, ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary).absolute()
        (folder / "warm").mkdir()
        warm(folder / "warm")
        calls, final = record(folder / "whole" / "run")
        check_trace(calls, folder / "whole" / "run", folder / "image")
        points = cut_points(calls)
        if arguments.lying:
            calls = [call._replace(name="close", fd=-1) if call.name in {"sync", "syncall"} else call for call in calls]
        numbers = range(arguments.cuts) if arguments.only is None else [arguments.only]

        def work(job: int, say: jobs.Say) -> None:
            for number in numbers[job :: arguments.jobs]:
                draw = random.Random(f"{arguments.seed}:{number}")
                point = points[number % len(points)]
                image = folder / str(number)
                image.mkdir()
                keeps = chooser(draw, draw.choice([0, 0, 0.3, 0.7, 1]))
                Replay(calls[:point]).write(image, keeps, torn=draw.random() < 0.5)
                promise = Promise(calls[:point], final)
                faults = list(promise.broken(image))
                if number % 50 == 0 and promise.run and not faults:
                    faults = list(_gone_on_with(image, promise))
                kept = keep(image, arguments.directory, f"power-{number}") if faults else ""
                shutil.rmtree(image)
                say({"number": number, "point": point, "faults": faults, "kept": kept, "told": len(promise.steps)})

        done = list(jobs.told(arguments.jobs, work))
    return tell(arguments, done, Counter(call.name for call in calls), len(points))


def _gone_on_with(image: Path, promise: Promise) -> Iterator[tuple[str, str]]:
    """What goes wrong when the run is gone on with from there."""
    run = promise.final["id"]
    commands = Commands(image, random.Random(0))
    ended = commands("resume", run, *PARALLEL)
    if ended.process.code == 3:
        ended = commands("approve", run, "agree", "--as", "ana", *PARALLEL)
    if ended.process.code:
        yield "wrong end", f"{ended.process.code}: {ended.process.told}"
        return
    after = json.loads(ended.out)["steps"]
    for name in promise.steps:
        if "/" not in name and after[name].get("outputs") != promise.final["steps"][name].get("outputs"):
            yield "recorded run again", f"{name} has {after[name].get('outputs')}"


def tell(arguments: argparse.Namespace, done: list[Any], counted: Counter[str], points: int) -> int:
    """Prints the table; 1 when anything is wrong."""
    faulty = [line for line in done if line["faults"]]
    for line in faulty[:20]:
        print(f"image {line['number']}, after call {line['point']}: kept in {line['kept']}")
        for kind, what in line["faults"][:6]:
            print(f"  {kind}: {what}")
        print(f"  again: python tests/chaos/power_loss.py --seed {arguments.seed} --only {line['number']}")
    print(
        f"{'calls recorded':<40} {sum(counted.values()):>8,}  "
        + ", ".join(f"{n} {c}" for n, c in counted.most_common())
    )
    print(f"{'places where the power went':<40} {min(points, len(done)):>8,}")
    print(f"{'images of the disk':<40} {len(done):>8,}")
    print(f"{'results told before, looked for':<40} {sum(line['told'] for line in done):>8,}")
    for kind in ("lost", "damaged", "wrong end", "recorded run again"):
        print(f"{kind:<40} {sum(one == kind for line in done for one, _ in line['faults']):>8,}")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
