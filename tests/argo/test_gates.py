"""A decision opens its gate on Argo whatever Argo writes at that moment, also when nobody follows the run.

The Workflows of the second half are no controller's, by their label: there the test writes what a controller writes.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from argo_site import Site

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.argo.cluster import Cluster
from somagent.workflows.engines.argo.driver import ArgoDriver
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.protocol import NotTakenUp

GATE = '  steps: { agree: { review: { title: "Go on?", reviewers: { users: [bob] } } } }\n'


def test_who_approves_and_leaves_has_opened_the_gate(tmp_path):
    site = Site(tmp_path)
    site.prepare()
    run = site.begin(GATE)
    assert site.followed(run)["phase"] == "Waiting"
    said = site.somagent("approve", run, "agree", "--as", "bob", "--no-resume")
    assert (said.returncode, said.stdout, said.stderr) == (
        0,
        f"approved agree as bob; argo ({site.namespace}/{run}) goes on\n",
        "",
    )
    site.until(run, lambda shown: shown["phase"] == "Succeeded")
    site.kubectl("delete", "workflow", run, "--wait=false")


@pytest.fixture
def gate(tmp_path) -> Iterator[tuple[Site, str]]:
    """A Workflow that waits for people, which no controller looks at."""
    site, run = Site(tmp_path), f"r-{os.urandom(4).hex()}"
    steps = {
        "id": "b",
        "name": "b",
        "type": "Steps",
        "phase": "Running",
        "inputs": {"parameters": [{"name": "step", "value": "agree"}]},
    }
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": run, "labels": {"workflows.argoproj.io/controller-instanceid": "nobody"}},
        "spec": {"entrypoint": "a", "templates": [{"name": "a", "suspend": {}}]},
        "status": {"phase": "Running", "nodes": {"b": steps, "g": waits()}},
    }
    site.kubectl("create", "-f", "-", text=json.dumps(workflow))
    yield site, run
    site.kubectl("delete", "workflow", run, "--wait=false")


def waits() -> dict[str, Any]:
    return {"id": "g", "name": "g", "type": "Suspend", "phase": "Running", "boundaryID": "b", "message": None}


def write(site: Site, run: str, node: dict[str, Any]) -> None:
    site.kubectl("patch", "workflow", run, "--type=merge", "-p", json.dumps({"status": {"nodes": {"g": node}}}))


async def opened(site: Site, run: str) -> None:
    """Returns when the gate is open in the cluster."""
    async with asyncio.timeout(20):
        async for found in Cluster(site.namespace).workflow(run):
            if found[run]["status"]["nodes"]["g"]["phase"] == "Succeeded":
                return


def test_a_gate_that_argo_closes_again_is_opened_again_until_argo_goes_on(gate):
    site, run = gate

    async def main() -> None:
        driver = ArgoDriver(Cluster(site.namespace), Place(image="", runs=""))
        deciding = asyncio.create_task(driver.go_on(run, {StepKey(run, "agree"): "approved by bob"}))
        for _ in range(3):
            await opened(site, run)
            assert not deciding.done()
            await asyncio.to_thread(write, site, run, waits())  # as a controller that has not seen it
        await opened(site, run)
        await asyncio.to_thread(write, site, run, {"children": ["next"]})
        async with asyncio.timeout(20):
            await deciding

    asyncio.run(main())
    assert site.workflow(run)["status"]["nodes"]["g"]["message"] == "approved by bob"


def test_a_controller_that_does_not_go_on_is_said(gate):
    site, run = gate
    driver = ArgoDriver(Cluster(site.namespace), Place(image="", runs=""))
    with pytest.raises(NotTakenUp, match=f"Argo has not gone on with {run}; its controller is busy, or does not run"):
        asyncio.run(driver.go_on(run, {StepKey(run, "agree"): "approved by bob"}))
    assert site.workflow(run)["status"]["nodes"]["g"]["phase"] == "Succeeded"
