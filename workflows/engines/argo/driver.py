"""Argo as the driver of runs at a bucket: a Workflow for each run, by the run's own name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan, digest_of
from somagent.governance.canonical import canonical_json
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.workflows.engines.argo.cluster import Cluster, ClusterUnreachable, Conflict, NotThere
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.nodes import Offloaded, asking, has_gone_on, look_at, nodes_of, opened, waiting
from somagent.workflows.engines.argo.outputs import outputs
from somagent.workflows.engines.argo.submission import begun, made
from somagent.workflows.engines.argo.watched import watched
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.granted import handed_in
from somagent.workflows.engines.objects.driver import Address, Look, Output
from somagent.workflows.engines.protocol import EngineError, NotTakenUp

_PATIENCE_S = 180  # until Argo has come to the step that was answered
_GOES_ON_S = 30.0  # until it has gone on behind a node that was completed here


def _named_for(template: Mapping[str, Any]) -> str:
    """A name that no other content has: the plan's, the place's, and that of how both are emitted."""
    from somagent.workflows.engines.argo.emit.workflow import object_name  # noqa: PLC0415

    content = digest_of(canonical_json(template["spec"])).removeprefix("sha256:")[:12]
    return object_name(f"{template['metadata']['labels']['somagent.io/capsule']}-{content}")


def _of_finally(spec: dict[str, Any]) -> dict[str, Any]:
    """All steps but those of `finally` have ended: a DAG of nothing is refused, so what was to come at exit is all."""
    entry, at_exit = spec["entrypoint"], spec["onExit"]
    templates = [one for one in spec["templates"] if one["name"] != entry]
    return {name: value for name, value in spec.items() if name != "onExit"} | {
        "entrypoint": at_exit,
        "templates": templates,
    }


def _gone_on(nodes: Mapping[str, Any], done: Mapping[str, StepKey]) -> set[StepKey]:
    """Steps whose node was completed here, and behind which Argo has gone on."""
    return {key for name, key in done.items() if has_gone_on(nodes, name)}


class ArgoDriver:
    """Works in one namespace of a cluster; a `Driver` (see `objects.driver`)."""

    def __init__(self, cluster: Cluster, place: Place) -> None:
        self._cluster = cluster
        self._place = replace(place, namespace=cluster.namespace)

    def address(self, run_id: str) -> Address:
        """NAMESPACE/RUN: as `argo get -n NAMESPACE RUN` shows it."""
        return Address("argo", f"{self._cluster.namespace}/{run_id}")

    def check(self, plan: Plan) -> None:
        """Pods can run whatever a plan has."""

    async def start(self, run: RunRecord, plan: Plan, kept: Set[str]) -> None:
        """Submits the Workflow, unless it is there and has not ended."""
        from somagent.workflows.engines.argo.emit.workflow import workflow_template  # noqa: PLC0415 - Hera takes 0.5 s

        await self._check_prepared()
        left = replace(plan, nodes=[node for node in plan.nodes if node.id not in kept]) if kept else plan
        template = workflow_template(left, self._place, handed=handed_in(plan, run.inputs))
        name = _named_for(template)
        spec = template["spec"] if left.nodes else _of_finally(template["spec"])
        if not kept:
            spec = {"workflowTemplateRef": {"name": name}}
            named = template | {"metadata": template["metadata"] | {"name": name}}
            await made(self._cluster, "workflowtemplates", named)
        workflow = {
            "apiVersion": template["apiVersion"],
            "kind": "Workflow",
            "metadata": {
                "name": run.id,
                "labels": template["metadata"]["labels"] | {"somagent.io/run": run.id},
                "annotations": template["metadata"]["annotations"] | {"somagent.io/submitter": run.submitter},
            },
            "spec": spec,
        }
        if not await made(self._cluster, "workflows", workflow) and await self._makes_way(run.id):
            await made(self._cluster, "workflows", workflow)
        if not kept:
            await begun(self._cluster, name, workflow)

    async def go_on(self, run_id: str, answered: Mapping[StepKey, str]) -> None:
        """Completes the nodes that wait for what was answered, also those that Argo is about to make.

        Argo may write over what it has not seen yet, so this looks on until Argo has gone on behind them, and
        completes them again if need be; raises `NotTakenUp` when that takes too long.
        """
        done = dict[str, StepKey]()  # nodes that were completed here
        try:
            async with asyncio.timeout(_PATIENCE_S if answered else None) as limit:
                async for found in self._cluster.workflow(run_id):
                    if run_id not in found:
                        return
                    nodes = self._nodes(found[run_id], run_id)
                    left = {key: answered[key] for key in answered.keys() - _gone_on(nodes, done)}
                    if left.keys().isdisjoint({*done.values(), *asking(nodes, run_id)}):
                        return
                    done |= await self._completed(found[run_id], nodes, left)
                    if left.keys() <= {*done.values()}:
                        soon = asyncio.get_running_loop().time() + _GOES_ON_S
                        limit.reschedule(min(limit.when() or soon, soon))
        except ClusterUnreachable as error:
            raise NotTakenUp(str(error)) from error
        except TimeoutError:
            raise NotTakenUp(f"Argo has not gone on with {run_id}; its controller is busy, or does not run") from None

    def _nodes(self, workflow: Mapping[str, Any], run_id: str) -> dict[str, Any]:
        try:
            return nodes_of(workflow)
        except Offloaded as error:
            raise NotTakenUp(f"{error}; `argo resume {run_id}` lets the run look at what was decided") from error

    async def _completed(
        self, workflow: Mapping[str, Any], nodes: Mapping[str, Any], answered: Mapping[StepKey, str]
    ) -> dict[str, StepKey]:
        """Completes what waits for these answers; the nodes, none when the Workflow has changed meanwhile."""
        run_id = workflow["metadata"]["name"]
        wait = {name: key for name, key in waiting(nodes, run_id).items() if key in answered}
        if not wait:
            return {}
        answers = {name: answered[key] for name, key in wait.items()}
        patch = opened(nodes, answers, utc_now(), packed="compressedNodes" in workflow["status"])
        patch["metadata"] = {"resourceVersion": workflow["metadata"]["resourceVersion"]}
        try:
            await self._cluster.patch("workflows", run_id, patch)
        except Conflict:
            return {}
        return wait

    async def stop(self, run_id: str) -> None:
        """Argo's `Stop`: what is at work ends, and the exit handler runs."""
        await self._cluster.patch("workflows", run_id, {"spec": {"shutdown": "Stop"}})

    async def outputs(self, run_id: str) -> AsyncIterator[Output]:
        """What the pods of single steps print; needs the right to `get` `pods/log`."""
        async for output in outputs(self._cluster, run_id):
            yield output

    async def looks(self, run_id: str) -> AsyncIterator[Look]:
        """Whenever the Workflow or one of its pods has changed; that a cluster does not answer is told as a trouble."""
        async for look in watched(self._cluster, run_id):
            yield look

    async def _makes_way(self, run_id: str) -> bool:
        """Whether there is room for a new Workflow: one that was terminated is deleted, nothing goes on with it."""
        with suppress(NotThere):
            found = await self._cluster.get("workflows", run_id)
            if not look_at(found).over:
                return False
            await self._cluster.delete("workflows", run_id, found["metadata"]["uid"])
        return True

    async def _check_prepared(self) -> None:
        for account in (self._place.service_account, "somagent-executor"):
            if not await self._cluster.has(f"serviceaccounts/{account}"):
                namespace = self._cluster.namespace
                how = f"somagent compile --target argo CAPSULE | kubectl apply -n {namespace} -f -"
                raise EngineError(f"namespace {namespace} has no ServiceAccount `{account}`; make it with: {how}")
