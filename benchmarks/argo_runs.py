"""Runs on a real Argo: what SomaGent costs there, what fusing saves, and how large a run may become.

`python benchmarks/argo_runs.py [start ledger whole thousand] [--rounds 3] [--lanes 10]`; the environment names the
cluster (see `argo_place`). Every step is a script that does nothing, so all of the time is that of the works.

- start: the step runner in a pod, CPU seconds until its first answer from the store; and the size of its image.
- ledger: what the pods ask of the object store, counted by a relay before it (`store_meter`); and the lag of a
  follower, from the moment that a step's record is in the store until it is told of it.
- whole: a hundred steps in lanes, light ones sharing pods, and with a pod for each; against the same graph written with
  Hera, with the same image and command. Wall seconds from the call that submits until a watcher sees the end, in turn.
  Argo looks at a Workflow again ten seconds after its last look (`DEFAULT_REQUEUE_TIME` of its controller), so what
  counts is whether the pods of all lanes are through by then: as many lanes as the machine can start pods for.
- thousand: ten lanes of a hundred steps with `parallelism`, until 300 have ended, and how large the Workflow is then.
  By hand there is nothing to compare it with: Argo takes no DAG of so many tasks.

Goals: start <= 0.4 s CPU; lag p95 <= 1 s; a capsule that is not fused <= 1.05 of Hera's, and a fused one <= 0.5 of one
that is not; 300 of the thousand run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from argo_place import METERED, Meter, Namespace, Ran, Steps, compiled, in_environment
from graphs import WIDTH
from store_meter import Call, calls

from somagent.workflows.engines.argo.emit.stream import documents
from somagent.workflows.engines.argo.nodes import nodes_of

THOUSAND, ENOUGH = 1000, 300
AT_ONCE = 8  # pods of the thousand


class Size(NamedTuple):
    """How much is measured."""

    steps: int
    rounds: int
    lanes: int = WIDTH


def lanes(steps: int, width: int = WIDTH) -> list[tuple[str, list[str]]]:
    """Chains side by side."""
    return [(f"s{n}_{lane}", [f"s{n - 1}_{lane}"] if n else []) for n in range(steps // width) for lane in range(width)]


async def in_turn(ways: Mapping[str, Callable[[], Awaitable[Ran]]], rounds: int) -> None:
    """Prints a line for each way; the last one is the baseline."""
    found: dict[str, list[Ran]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(await way())
            print(f"{name}: {found[name][-1].seconds:.1f} s", file=sys.stderr, flush=True)
    base = [ran.seconds for ran in found[list(ways)[-1]]]
    print(f"{'':<28}{'median s':>10}{'min-max':>16}{'ratio':>8}{'pods':>7}{'s a pod':>9}")
    for name, runs in found.items():
        seconds = [ran.seconds for ran in runs]
        ratio = statistics.median(own / other for own, other in zip(seconds, base, strict=True))
        pods = [_pods(ran.workflow) for ran in runs]
        each = statistics.median(statistics.mean(one) for one in pods)
        spread = f"{min(seconds):.1f}-{max(seconds):.1f}"
        print(
            f"{name:<28}{statistics.median(seconds):>10.1f}{spread:>16}{ratio:>8.2f}{len(pods[0]):>7}{each:>9.1f}",
            flush=True,
        )


def _pods(workflow: Mapping[str, Any]) -> list[float]:
    """Seconds of each pod of it, as Argo has them."""
    nodes = [node for node in nodes_of(workflow).values() if node["type"] == "Pod" and node.get("finishedAt")]
    return [(_time(node["finishedAt"]) - _time(node["startedAt"])).total_seconds() for node in nodes]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def whole(namespace: Namespace, size: Size) -> None:
    """The lanes: light steps sharing pods, each step by itself, and without SomaGent."""
    steps = lanes(size.steps, size.lanes)
    print(f"\nwhole runs: {len(steps)} steps, {size.lanes} lanes")
    ways = {
        "a capsule, fused": partial(namespace.capsule, steps, fuse=True),
        "a capsule, not fused": partial(namespace.capsule, steps, fuse=False),
        "written with Hera": partial(namespace.by_hand, steps),
    }
    await in_turn(ways, size.rounds)


async def thousand(namespace: Namespace, _: Size) -> None:
    """As GitOps has it: what `compile` writes is applied, and a Workflow refers to it."""
    print(f"\nthousand: {THOUSAND:,} steps, ten lanes, {AT_ONCE} pods at once, until {ENOUGH} have ended")
    print(f"{'':<28}{'ended':>8}{'s':>8}{'peak KiB':>10}{'as JSON':>10}")
    steps, place = lanes(THOUSAND), namespace.place(fuse=False)
    done = compiled("thousand", steps)
    assert done.plan is not None
    for one in documents(done.plan, done.contents, place):
        namespace.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(one))
    spec = {"workflowTemplateRef": {"name": "thousand"}, "parallelism": AT_ONCE}
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    body = {**head, "metadata": {"generateName": "thousand-"}, "spec": spec}
    try:
        start, seen = time.perf_counter(), _Growth()
        made = await namespace.cluster.create("workflows", body)
        ran = await namespace.ended(made["metadata"]["name"], start, seen.enough)
        kib = [f"{size / 1024:>10.0f}" for size in (seen.stored, seen.plain)]
        print(f"{'a capsule, not fused':<28}{seen.ended:>8}{ran.seconds:>8.0f}{''.join(kib)}")
    finally:
        namespace.kubectl("delete", "workflowtemplate", "thousand")


class _Growth:
    """How many steps have ended and how large the object became."""

    def __init__(self) -> None:
        self.ended, self.stored, self.plain, self._next = 0, 0, 0, 0.0

    def enough(self, workflow: dict[str, Any]) -> bool:
        """Looked at twice a second at most: to measure it takes time as well."""
        if time.perf_counter() < self._next:
            return False
        nodes = nodes_of(workflow)
        self.ended = sum(1 for node in nodes.values() if node["type"] == "Pod" and node["phase"] == "Succeeded")
        stored = len(json.dumps(workflow, separators=(",", ":")))
        packed = len((workflow.get("status") or {}).get("compressedNodes", ""))
        self.stored = max(self.stored, stored)
        self.plain = max(self.plain, stored - packed + (len(json.dumps(nodes, separators=(",", ":"))) if packed else 0))
        self._next = time.perf_counter() + 0.5
        return self.ended >= ENOUGH


async def ledger(namespace: Namespace, size: Size) -> None:
    """Both ways of running, seen from the store, and by a follower who asks it directly."""
    print(f"\nledger: {size.steps} steps, ten lanes; medians of the pods, and all of the run by steps")
    print(f"{'':<28}{'calls':>8}{'KB sent':>10}{'KB got':>10}{'ms':>8}   what", flush=True)
    lags = {}
    for name, fuse in (("a step by itself", False), ("fused", True)):
        noted, told = await _metered(namespace, lanes(size.steps), fuse=fuse)
        pods: dict[str, list[Call]] = defaultdict(list)
        for call in noted:
            pods[call.who].append(call)
        _asked(f"{name}, a pod", list(pods.values()), 1)
        _asked(f"{name}, all by steps", [noted], size.steps)
        lags[name] = _lags(noted, told)
    print(f"\n{'lag of a follower, s':<28}{'p50':>8}{'p95':>8}{'max':>8}{'events':>8}")
    for name, found in lags.items():
        p50, p95 = statistics.median(found), statistics.quantiles(found, n=20)[-1]
        print(f"{name:<28}{p50:>8.2f}{p95:>8.2f}{max(found):>8.2f}{len(found):>8}", flush=True)


def _lags(noted: Sequence[Call], told: Mapping[str, float]) -> list[float]:
    """From the answer to the write of a step's end, its record, until the event."""
    return [
        told[found[1]] - call.at
        for call in noted
        if call.method == "PUT" and call.status == 200 and (found := re.search(r"/steps/(\w+)/end\.\d+$", call.path))
    ]


def _asked(name: str, groups: Sequence[Sequence[Call]], by: int) -> None:
    count, sent, received, ms = (
        statistics.median(sum(map(what, group)) for group in groups) / by
        for what in (lambda _: 1, lambda one: one.sent / 1000, lambda one: one.received / 1000, lambda one: one.ms)
    )
    kinds = Counter(f"{call.method} {call.status}" for group in groups for call in group)
    shown = ", ".join(f"{number / len(groups) / by:.1f} {kind}" for kind, number in kinds.most_common())
    print(f"{name:<28}{count:>8.1f}{sent:>10.1f}{received:>10.1f}{ms:>8.1f}   {shown}")


async def _metered(namespace: Namespace, steps: Steps, *, fuse: bool) -> tuple[list[Call], dict[str, float]]:
    """What the pods asked of the store in a run, and when a follower, who asks it directly, was told of each step."""
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter(namespace, Path(folder))
        try:
            engine, done = namespace.engine(namespace.place(fuse=fuse, secret=METERED)), compiled("bench", steps)
            assert done.plan is not None
            run = await engine.submit(done.plan, {}, submitter="ada", files=done.contents)
            async for event in engine.watch(run):
                if event.kind == "result":
                    told[event.key.step] = time.time()
            await namespace.ended(run, 0)
            return calls(meter.notes), told
        finally:
            meter.close()


async def start(namespace: Namespace, size: Size) -> None:
    """The runner asks for a run that is not there: its first read is all that it comes to."""
    command = "somagent-step --answers /tmp/answers --work /tmp step none"
    script = f"{command} 2>&1 | tail -1\n" + "".join(
        f"for i in $(seq {2 * size.rounds + 1}); do bash -c '{what} >/dev/null 2>&1; times' | tail -1; done\n"
        for what in (command, "/opt/somagent/bin/python -c pass")
    )
    values = {"SOMAGENT_RUNS": namespace.place().runs, "SOMAGENT_RUN": "r-20000101-0000-000000"}
    said, *lines = (await asyncio.to_thread(in_environment, namespace, script, values)).splitlines()
    assert "there is no run" in said, said
    times = [sum(float(minutes) * 60 + float(s) for minutes, s in re.findall(r"(\d+)m([\d.]+)s", one)) for one in lines]
    print(f"\n{'start in a pod, CPU s':<28}{'median':>10}{'min-max':>16}")
    half = len(times) // 2
    for name, some in (("to the first read", times[:half]), ("python -c pass", times[half:])):
        print(f"{name:<28}{statistics.median(some):>10.3f}{f'{min(some):.3f}-{max(some):.3f}':>16}")
    images = {
        name: image["sizeBytes"]
        for node in json.loads(namespace.kubectl("get", "nodes", "-o", "json"))["items"]
        for image in node["status"]["images"]
        for name in image.get("names") or ()  # one that lost its name has none
    }
    place = namespace.place()
    print(f"{'image, MB':<28}{images[place.image] / 1e6 if place.image in images else float('nan'):>10.1f}")


PARTS: dict[str, Callable[[Namespace, Size], Awaitable[None]]] = {
    "start": start,
    "ledger": ledger,
    "whole": whole,
    "thousand": thousand,
}


async def _measure(parts: Sequence[str], size: Size) -> None:
    with tempfile.TemporaryDirectory() as folder:
        namespace = Namespace(Path(folder))
        try:
            for part in parts:
                await PARTS[part](namespace, size)
        finally:
            namespace.close()


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="tens of them (default: 100)")
    parser.add_argument(
        "--lanes", type=int, default=WIDTH, help="chains side by side in whole runs (default: %(default)s)"
    )
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    asyncio.run(_measure(given.parts or list(PARTS), Size(given.steps, given.rounds, given.lanes)))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # threads of the store's library may not outlive the interpreter
