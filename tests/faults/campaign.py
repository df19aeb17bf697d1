"""Runs on a real Argo or Airflow that is harmed at random moments; then a judge looks at each.

`python tests/faults/campaign.py [--engine argo] [--faults 200] [--seed 1] [--runs 4]`: see `harm.py`, `on_argo.py` and
`on_airflow.py` for what is harmed and what the environment names. What a fault leaves behind is kept in `.chaos/`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "support"))
from drawn import draw_capsule
from harm import Place
from listener import Listener
from on_airflow import OnAirflow
from on_argo import OnArgo
from pursuit import Pursuit, Stuck
from verdict import FAULTS, Fault, Verdict

PLACES = {"argo": OnArgo, "airflow": OnAirflow}
_PAUSE_S = 12  # at most, between two


def kinds_of(place: type[Place]) -> list[str]:
    """What is done there."""
    return [*place.OF_RUNS, *place.OF_ALL]


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
    """A place, a listener, and runs that are followed side by side."""

    def __init__(self, place: Place, folder: Path, seed: str, keep: Path) -> None:
        self.place, self.folder, self.seed, self.keep = place, folder, seed, keep
        self.listener = Listener(folder / "marks", place.host)
        self.listener.when_ended = place.heard_end
        place.runs = lambda: [one.run for one in self.at_work.values() if one.run]
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
        pursuit = Pursuit(draw_capsule(draw, self.listener.address), folder, draw, self.place.environment)
        self.at_work[slot] = pursuit
        faults: list[Fault] = []
        repeats = 0
        shown: dict[str, Any] = {}
        try:
            run = pursuit.submit()
            self.listener.expect(pursuit.drawn.failures(run))
            shown = pursuit.to_the_end()
            harms = [one for one in self.place.harms if one.over >= begun]
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
        if pursuit.run:
            self.place.leave(pursuit.run)

    def _keep(self, folder: Path, pursuit: Pursuit, shown: dict[str, Any], faults: list[Fault]) -> None:
        kept = {
            "run": pursuit.run,
            "faults": faults,
            "said": pursuit.said,
            "harms": self.place.harms,
            "marks": self.listener.of(pursuit.run),
            "shown": shown,
        }
        (folder / "kept.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
        (folder / "seen").write_text(self.place.seen(pursuit.run))
        self.keep.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, self.keep / folder.name, dirs_exist_ok=True)
        for kind, what in faults[:10]:
            print(f"{self.keep / folder.name}: {kind}: {what[:1500]}", flush=True)

    def harm(self, faults: int, only: list[str]) -> None:
        """Harms the place so many times: runs one by one, while something is wrong with all of it."""
        both = (self.place.OF_RUNS, self.place.OF_ALL)
        sides = [{kind: side[kind] for kind in side if not only or kind in only} for side in both]
        harming = [threading.Thread(target=self._harm, args=(faults, side), daemon=True) for side in sides if side]
        for side in harming:
            side.start()
        for side in harming:
            side.join()

    def _harm(self, faults: int, weights: dict[str, int]) -> None:
        draw = random.Random(f"{self.seed} {sorted(weights)}")
        while len(self.place.harms) < faults and not self.stopping.is_set():
            time.sleep(draw.uniform(0, _PAUSE_S))
            (kind,) = draw.choices(list(weights), list(weights.values()))
            if kind == "follower killed":
                self._kill_a_follower(draw)
            elif self._does(kind):
                print(f"{len(self.place.harms)} of {faults}: {kind}", flush=True)

    def _does(self, kind: str) -> bool:
        try:
            return self.place.do(kind)
        except subprocess.CalledProcessError as fault:
            print(
                f"{kind}: {fault}; nothing is harmed any more. Did CLUSTER_UP start again what died?", file=sys.stderr
            )
            self.stopping.set()
            return False

    def _kill_a_follower(self, draw: random.Random) -> None:
        following = [one.following for one in self.at_work.values() if one.following and one.following.poll() is None]
        if following:
            at = time.time()
            draw.choice(following).kill()
            self.place.note("follower killed", "", at)


def tell(campaign: Campaign, took_s: float) -> int:
    """Prints the table; 1 when anything is wrong."""
    told = campaign.told
    by_kind = Counter(one.kind for one in campaign.place.harms)
    found = Counter(fault.kind for _, faults in told.faulty for fault in faults)
    rows: list[tuple[str, float]] = [(kind, by_kind[kind]) for kind in kinds_of(type(campaign.place))]
    rows += [("harms", len(campaign.place.harms)), ("runs, all ended", told.runs), ("steps and items", told.steps)]
    rows += [("followed by two at once", told.doubled), ("unrecorded attempts repeated", told.repeats)]
    rows += [(kind, found[kind]) for kind in FAULTS]
    rows += [("seconds a run, median", statistics.median(told.wall_s or [0])), ("seconds", took_s)]
    for name, count in rows:
        print(f"{name:<40} {count:>8,.0f}")
    return 1 if told.faulty else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=list(PLACES), default="argo")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--runs", type=int, default=4, help="at work at once")
    parser.add_argument(
        "--only", action="append", default=[], help="a kind of harm; all that are not named are left out"
    )
    arguments = parser.parse_args()
    place_of = PLACES[arguments.engine]
    if unknown := set(arguments.only) - set(kinds_of(place_of)):
        parser.error(
            f"no harm on {arguments.engine} is called {', '.join(unknown)}; {', '.join(kinds_of(place_of))} are"
        )
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = place_of(Path(folder), random.Random(f"{arguments.seed} harm"))
        with contextlib.closing(place):
            campaign = Campaign(place, Path(folder), arguments.seed, Path(".chaos", arguments.engine))
            slots = [
                threading.Thread(target=campaign.pursue, args=(slot,), daemon=True) for slot in range(arguments.runs)
            ]
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
