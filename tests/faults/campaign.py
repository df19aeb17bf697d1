"""Runs on a real Argo while the cluster is harmed at random moments; then a judge looks at each.

`python tests/faults/campaign.py [--faults 200] [--seed 1] [--runs 4]`: see `harm.py` for the cluster, and
`tests/support/argo_site.py` for what the environment names. What a fault leaves behind is kept in `.chaos/`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawn import draw_capsule
from harm import Cluster
from listener import Listener
from pursuit import Pursuit, Stuck
from verdict import FAULTS, Fault, Verdict

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.protocol import EngineError

sys.path.append(str(Path(__file__).parents[1] / "support"))
from argo_site import Site

_OF_RUNS = {  # how often, against each other
    "pod deleted at work": 40,
    "pod deleted after its record": 30,
    "Workflow deleted": 8,
    "follower killed": 8,
}
_OF_THE_CLUSTER = {  # one at a time, and no longer than half a minute each
    "controller killed": 15,
    "API server and etcd killed": 5,
    "kubelet stopped for 20 s": 4,
    "store away for 30 s": 4,
    "store silent for 30 s": 3,
    "no room for logs for 20 s": 3,
}
_KINDS = {**_OF_RUNS, **_OF_THE_CLUSTER}
_PAUSE_S = 12  # at most, between two


@dataclass
class Told:
    """What became of the campaign so far."""

    runs: int = 0
    steps: int = 0
    repeats: int = 0
    doubled: int = 0
    wall_s: list[float] = field(default_factory=list)
    faulty: list[tuple[str, list[Fault]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Campaign:
    """A site, a listener, and runs that are followed side by side."""

    def __init__(self, folder: Path, seed: str, keep: Path) -> None:
        self.folder, self.seed, self.keep = folder, seed, keep
        self.site = Site(folder)
        self.site.prepare()
        self.cluster = Cluster(self.site.namespace, random.Random(f"{seed} harm"))
        self.listener = Listener(folder / "marks", os.environ.get("RIG_NODE_IP", "127.0.0.1"))
        self.listener.when_ended = self.cluster.heard_end
        os.environ["AWS_ENDPOINT_URL"] = os.environ["S3_ENDPOINT"]
        self.cluster.recorded = lambda mark: _is_recorded(self.site.runs, mark)
        self.cluster.runs = lambda: [one.run for one in self.at_work.values() if one.run]
        self.told = Told()
        self.stopping = threading.Event()
        self.at_work: dict[int, Pursuit] = {}

    def pursue(self, slot: int) -> None:
        """Runs one after the other until the campaign stops."""
        number = slot
        while not self.stopping.is_set():
            self._one(slot, f"{self.seed}:{number}")
            number += 100

    def _one(self, slot: int, seed: str) -> None:
        draw = random.Random(seed)
        folder = self.folder / seed.replace(":", "-")
        folder.mkdir()
        begun = time.time()
        pursuit = Pursuit(draw_capsule(draw, self.listener.address), folder, draw, self.site.environment)
        self.at_work[slot] = pursuit
        faults: list[Fault] = []
        repeats = 0
        shown: dict[str, Any] = {}
        try:
            run = pursuit.submit()
            self.listener.expect(pursuit.drawn.failures(run))
            shown = pursuit.to_the_end()
            harms = [one for one in self.cluster.harms if one.over >= begun]
            verdict = Verdict(pursuit.drawn, shown, self.listener.of(run), harms, pursuit.agreed)
            faults, repeats = verdict.faults, verdict.repeats
        except Stuck as stuck:
            faults = [Fault("wrong end", str(stuck))]
        with self.told.lock:
            self.told.runs += 1
            self.told.steps += len(pursuit.drawn.places)
            self.told.repeats += repeats
            self.told.doubled += pursuit.doubled
            self.told.wall_s.append(time.time() - begun)
            if faults:
                self.told.faulty.append((seed, faults))
                self._keep(folder, pursuit, shown, faults)
        self.cluster.kubectl("delete", "workflow", pursuit.run or "none", "--ignore-not-found", "--wait=false")

    def _keep(self, folder: Path, pursuit: Pursuit, shown: dict[str, Any], faults: list[Fault]) -> None:
        kept = {
            "run": pursuit.run,
            "faults": faults,
            "said": pursuit.said,
            "harms": self.cluster.harms,
            "marks": self.listener.of(pursuit.run),
            "shown": shown,
        }
        (folder / "kept.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
        (folder / "workflow.yaml").write_text(self.cluster.kubectl("get", "workflow", pursuit.run, "-o", "yaml"))
        self.keep.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, self.keep / folder.name, dirs_exist_ok=True)
        for kind, what in faults[:10]:
            print(f"{self.keep / folder.name}: {kind}: {what[:1500]}", flush=True)

    def harm(self, faults: int, only: list[str]) -> None:
        """Harms the cluster so many times: runs one by one, while something is wrong with all of it."""
        sides = [
            {kind: side[kind] for kind in side if not only or kind in only} for side in (_OF_RUNS, _OF_THE_CLUSTER)
        ]
        harming = [threading.Thread(target=self._harm, args=(faults, side), daemon=True) for side in sides if side]
        for side in harming:
            side.start()
        for side in harming:
            side.join()

    def _harm(self, faults: int, weights: dict[str, int]) -> None:
        draw = random.Random(f"{self.seed} {sorted(weights)}")
        while len(self.cluster.harms) < faults and not self.stopping.is_set():
            time.sleep(draw.uniform(0, _PAUSE_S))
            (kind,) = draw.choices(list(weights), list(weights.values()))
            if kind == "follower killed":
                self._kill_a_follower(draw)
            elif self.cluster.do(kind):
                print(f"{len(self.cluster.harms)} of {faults}: {kind}", flush=True)

    def _kill_a_follower(self, draw: random.Random) -> None:
        following = [one.following for one in self.at_work.values() if one.following and one.following.poll() is None]
        if following:
            at = time.time()
            draw.choice(following).kill()
            self.cluster.note("follower killed", "", at)


def _is_recorded(runs: str, mark: dict[str, Any]) -> bool:
    """Whether the ledger has the end of the attempt that said so; where it is kept is the engine's business."""
    run, _, rest = mark["key"].partition("/")
    step, _, item = rest.partition("/")
    key = StepKey(run=run, step=step, item=int(item)) if item else StepKey(run=run, step=step)
    try:
        return asyncio.run(Bucket(runs).read(names.end(key, mark["attempt"]))) is not None
    except EngineError:
        return False


def tell(campaign: Campaign, took_s: float) -> int:
    """Prints the table; 1 when anything is wrong."""
    told = campaign.told
    by_kind = Counter(one.kind for one in campaign.cluster.harms)
    found = Counter(fault.kind for _, faults in told.faulty for fault in faults)
    rows: list[tuple[str, float]] = [(kind, by_kind[kind]) for kind in _KINDS]
    rows += [("harms", len(campaign.cluster.harms)), ("runs, all ended", told.runs), ("steps and items", told.steps)]
    rows += [("followed by two at once", told.doubled), ("unrecorded attempts repeated", told.repeats)]
    rows += [(kind, found[kind]) for kind in FAULTS]
    rows += [("seconds a run, median", statistics.median(told.wall_s or [0])), ("seconds", took_s)]
    for name, count in rows:
        print(f"{name:<40} {count:>8,.0f}")
    return 1 if told.faulty else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--runs", type=int, default=4, help="at work at once")
    parser.add_argument("--only", action="append", default=[], choices=list(_KINDS), help="kinds of harm")
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        campaign = Campaign(Path(folder), arguments.seed, Path(".chaos", "argo"))
        slots = [threading.Thread(target=campaign.pursue, args=(slot,), daemon=True) for slot in range(arguments.runs)]
        for slot in slots:
            slot.start()
        try:
            campaign.harm(arguments.faults, arguments.only)
        except KeyboardInterrupt:
            print("stopping; runs at work are followed to their ends", file=sys.stderr)
        campaign.stopping.set()
        for slot in slots:
            slot.join()
        return tell(campaign, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
