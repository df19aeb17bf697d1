"""The adapter of the engine on Argo: a real cluster and a real object store, found by the environment (`argo_site`).

`SOMAGENT_IMAGE` must be one with the operator `probe` in it (`tests/conformance/image`).
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from argo_site import SECRET, Site

from somagent.workflows.engines.argo.cluster import Cluster
from somagent.workflows.engines.argo.driver import ArgoDriver
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.engine import ObjectEngine

from ..cases import installation

_ARGO_OWN = "wait"  # the container with which Argo sees how the others end


class ArgoAdapter:
    """An `Adapter` on a prefix of the bucket; Argo works on what is submitted from then on."""

    is_here = False
    leaves_capsules_open = True
    goes_on_by_itself = True
    patience_s = 1200.0

    def __init__(self, cluster: Cluster, place: Place, folder: Path) -> None:
        self._cluster, self._drivers = cluster, ArgoDriver(cluster, place)
        self.engine = ObjectEngine(place.runs, folder, installation().operators, driver=self._drivers)

    def now(self) -> datetime:
        return utc_now()

    async def pass_time(self, by: timedelta) -> None:
        await asyncio.sleep(by.total_seconds())

    async def work(self, run_id: str) -> None:
        await self.engine.run(run_id)

    @asynccontextmanager
    async def doomed(self, run_id: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(self._kill, run_id)

    def _kill(self, run_id: str) -> None:
        """Every process of its pods but the first, which then ends the container; to delete a pod is gentler."""
        namespace = self._cluster.namespace
        selector = f"workflows.argoproj.io/workflow={run_id},workflows.argoproj.io/completed=false"
        found = kubectl(namespace, "get", "pods", "-l", selector, "-o", "json")
        for pod in msgspec.json.decode(found)["items"]:
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                if container["name"] != _ARGO_OWN:
                    into = ["exec", name, "-c", container["name"], "--", "/bin/sh", "-c", "kill -KILL -1"]
                    subprocess.run(["kubectl", "-n", namespace, *into], capture_output=True, check=False)


class ArgoProvider:
    """Its adapters share a namespace; the workflows of each are deleted with it."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder))
            site.prepare()
        os.environ["AWS_ENDPOINT_URL"] = site.environment["AWS_ENDPOINT_URL"]
        self._runs, self._cluster = site.runs, Cluster(site.namespace)

    @contextmanager
    def open(self, folder: Path, secrets: Mapping[str, str]) -> Iterator[ArgoAdapter]:
        by_secret: dict[str, dict[str, str]] = {}
        for name, value in secrets.items():
            secret, _, key = name.partition("/")
            by_secret.setdefault(secret, {})[key] = base64.b64encode(value.encode()).decode()
        for secret, data in by_secret.items():  # cases agree on what is in a secret of one name
            patch = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "data": data}
            kubectl(self._cluster.namespace, "apply", "--server-side", "--force-conflicts", "-f", "-", given=patch)
        place = Place(
            image=os.environ["SOMAGENT_IMAGE"],
            runs=f"{self._runs}/{os.urandom(4).hex()}",
            runs_secret=SECRET,
        )
        adapter = ArgoAdapter(self._cluster, place, folder / "data")
        try:
            yield adapter
        finally:
            for run in adapter.engine.runs():
                kubectl(self._cluster.namespace, "delete", "workflow", run.id, "--ignore-not-found", "--wait=false")
            adapter.engine.close()

    def close(self) -> None:
        """Nothing is shared."""


def kubectl(namespace: str, *words: str, given: object = None) -> str:
    """What it prints; raises `CalledProcessError`."""
    content = None if given is None else msgspec.json.encode(given)
    done = subprocess.run(["kubectl", "-n", namespace, *words], input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
