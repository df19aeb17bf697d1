"""A namespace of a real cluster to measure in, runs of capsules in it, and graphs written with Hera beside them.

Found by the environment: `KUBECONFIG`; `SOMAGENT_IMAGE`, the step runner's; `SOMAGENT_NAMESPACE`, default `somagent`;
`S3_ENDPOINT`, `S3_BUCKET` and `AWS_*`, an object store, which pods reach at `$S3_ENDPOINT_PODS` (default: the same, but
for a store of this machine at `$RIG_NODE_IP`).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import hera.workflows as hera
from compile import nothing_beside

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators
from somagent.workflows.engines.argo.cluster import Cluster
from somagent.workflows.engines.argo.driver import ArgoDriver
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.stream import documents
from somagent.workflows.engines.objects.engine import ObjectEngine

COMMAND = "true"  # what a step does
SECRET, METERED = "somagent-bench", "somagent-bench-metered"
_NEEDED = ("KUBECONFIG", "SOMAGENT_IMAGE", "S3_ENDPOINT", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_PATIENCE_S = 1200

Steps = Sequence[tuple[str, Sequence[str]]]


class Ran(NamedTuple):
    """A Workflow that has ended."""

    seconds: float  # from the call that submits it until a watcher sees that it has ended
    workflow: dict[str, Any]


class Namespace:
    """What was prepared once; the runs are in a prefix of the bucket of their own."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in _NEEDED if not os.environ.get(name)]
        if missing:
            raise SystemExit(f"needs Argo, an object store and the runner's image: set {', '.join(missing)}")
        os.environ["AWS_ENDPOINT_URL"] = os.environ["S3_ENDPOINT"]
        self.name = os.environ.get("SOMAGENT_NAMESPACE", "somagent")
        self.cluster, self._folder = Cluster(self.name), folder
        self.node = os.environ.get("RIG_NODE_IP", "127.0.0.1")
        here = os.environ["S3_ENDPOINT"]
        self.store = os.environ.get("S3_ENDPOINT_PODS", here.replace("127.0.0.1", self.node))
        self._runs = f"s3://{os.environ['S3_BUCKET']}/bench/{os.urandom(4).hex()}"
        self._operators = load_operators()
        self.give(SECRET, self.store)
        first = compiled("first", [("a", [])])
        assert first.plan is not None
        *prepared, _, _ = documents(first.plan, {}, self.place())
        for one in prepared:
            self.kubectl("apply", "-f", "-", text=json.dumps(one))

    def give(self, secret: str, endpoint: str) -> None:
        """Makes the Secret by which pods reach the store."""
        values = {name: os.environ[name] for name in _NEEDED[-2:]}
        values |= {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1")}
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": values}
        self.kubectl("apply", "-f", "-", text=json.dumps(made))

    def place(self, *, fuse: bool = True, secret: str = SECRET) -> Place:
        """Where pods run and what they reach."""
        image = os.environ["SOMAGENT_IMAGE"]
        return Place(image=image, runs=self._runs, runs_secret=secret, namespace=self.name, fuse=fuse)

    def engine(self, place: Place) -> ObjectEngine:
        """As the command line opens it."""
        driver = ArgoDriver(self.cluster, place)
        return ObjectEngine(place.runs, self._folder / "data", self._operators.operators, driver=driver)

    async def capsule(self, steps: Steps, *, fuse: bool) -> Ran:
        """A run of the graph as a capsule."""
        engine, done, start = self.engine(self.place(fuse=fuse)), compiled("bench", steps), time.perf_counter()
        assert done.plan is not None
        run = await engine.submit(done.plan, {}, submitter="ada", files=done.contents)
        return await self.ended(run, start)

    async def by_hand(self, steps: Steps) -> Ran:
        """The same graph, written with Hera, without SomaGent."""
        written, start = written_with_hera(steps, self.place()).to_dict(), time.perf_counter()
        made = await self.cluster.create("workflows", written)
        return await self.ended(made["metadata"]["name"], start)

    async def ended(self, name: str, start: float, look: Callable[[dict[str, Any]], bool] = lambda _: False) -> Ran:
        """Waits until it has ended, or `look` has seen enough; then the Workflow and its pods are deleted."""
        async with asyncio.timeout(_PATIENCE_S):
            async for found in self.cluster.workflow(name):
                workflow = found[name]
                ended = (workflow.get("status") or {}).get("phase") in {"Succeeded", "Failed", "Error"}
                if look(workflow) or ended:
                    break
        ran = Ran(time.perf_counter() - start, workflow)
        await self.remove(workflow)
        if ended and workflow["status"]["phase"] != "Succeeded":
            raise SystemExit(f"{name}: {workflow['status'].get('message')}")
        return ran

    async def remove(self, workflow: Mapping[str, Any]) -> None:
        """Returns when nothing of it is in the cluster."""
        known = workflow["metadata"]
        await self.cluster.delete("workflows", known["name"], known["uid"])
        async with asyncio.timeout(_PATIENCE_S):
            async for pods in self.cluster.pods(known["name"]):
                if not pods:
                    return

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What it prints."""
        command = ["kubectl", "-n", self.name, *words]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout

    def close(self) -> None:
        """Takes away what was made here; accounts stay, others may use them."""
        self.kubectl("delete", "secret", SECRET, METERED, "--ignore-not-found")


def compiled(name: str, steps: Steps) -> Compilation:
    """The graph as a capsule of scripts."""
    head = f"apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: {{ name: {name} }}\nspec:\n  steps:\n"
    lines = [
        f"    {step}: {{ needs: [{', '.join(needs)}], script: {{ run: '{COMMAND}' }}, timeout: 60s }}\n"
        for step, needs in steps
    ]
    language, constitution = prepare_language(load_operators().catalogue), default_constitution()
    done = compile_capsule(
        f"{name}.capsule.yaml",
        (head + "".join(lines)).encode(),
        language=language,
        constitution=constitution,
        files=nothing_beside,
    )
    if done.plan is None:
        raise SystemExit(f"the benchmark's capsule is wrong: {done.diagnostics[:3]}")
    return done


def written_with_hera(steps: Steps, place: Place) -> hera.Workflow:
    """The same image, command, resources and rights as the pods of a capsule have; one DAG, one shared template."""
    with hera.Workflow(
        generate_name="by-hand-",
        api_version="argoproj.io/v1alpha1",
        entrypoint="main",
        service_account_name=place.service_account,
        automount_service_account_token=False,
        executor=hera.models.ExecutorConfig(service_account_name="somagent-executor"),
    ) as workflow:
        step = hera.Container(
            name="step",
            image=place.image,
            image_pull_policy="IfNotPresent",
            command=["/bin/sh", "-c", COMMAND],
            resources=hera.Resources(cpu_request=f"{place.millicores}m", memory_request=f"{place.memory >> 20}Mi"),
        )
        with hera.DAG(name="main"):
            for name, needs in steps:
                depends = " && ".join(need.replace("_", "-") for need in needs)
                hera.Task(name=name.replace("_", "-"), template=step, depends=depends or None)
    return workflow


class Meter:
    """The relay of `store_meter` as a process, and a Secret by which pods reach the store through it."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.notes = folder / "calls"
        program = Path(__file__).with_name("store_meter.py")
        command = [sys.executable, program, namespace.node, namespace.store, self.notes]
        self._relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._relay.stdout is not None
        namespace.give(METERED, self._relay.stdout.readline().strip())

    def close(self) -> None:
        """Ends the relay."""
        self._relay.terminate()
        self._relay.wait()


def in_environment(namespace: Namespace, script: str, values: Mapping[str, str]) -> str:
    """What a script in the step runner's image prints, in a pod of its own that has the store's credentials."""
    container = {
        "name": "main",
        "image": os.environ["SOMAGENT_IMAGE"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", script],
        "env": [{"name": name, "value": value} for name, value in values.items()],
        "envFrom": [{"secretRef": {"name": SECRET}}],
    }
    name = f"bench-{os.urandom(3).hex()}"
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    namespace.kubectl("create", "-f", "-", text=json.dumps(pod))
    try:
        ended = partial(namespace.kubectl, "wait", f"pod/{name}", "--timeout=300s")
        ended("--for=jsonpath={.status.phase}=Succeeded")
        return namespace.kubectl("logs", name)
    finally:
        namespace.kubectl("delete", "pod", name, "--wait=false")
