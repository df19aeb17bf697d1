"""Argo as the driver of runs at a bucket: a Workflow for each run, by the run's own name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Set
from typing import Any

from msgspec.structs import replace

from somagent.capsule_compiler.plan import Plan, digest_of
from somagent.governance.canonical import canonical_json
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.workflows.engines.argo.cluster import Cluster, Conflict, NotThere
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.nodes import Offloaded, asking, look_at, nodes_of, opened, waiting
from somagent.workflows.engines.argo.watched import watched
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.driver import Address, Look
from somagent.workflows.engines.protocol import EngineError

_PATIENCE_S = 180  # until Argo has come to the step that was answered


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


class ArgoDriver:
    """Works in one namespace of a cluster; a `Driver` (see `objects.driver`)."""

    def __init__(self, cluster: Cluster, place: Place) -> None:
        self._cluster = cluster
        self._place = replace(place, namespace=cluster.namespace)

    def address(self, run_id: str) -> Address:
        """NAMESPACE/RUN: as `argo get -n NAMESPACE RUN` shows it."""
        return Address("argo", f"{self._cluster.namespace}/{run_id}")

    async def start(self, run: RunRecord, plan: Plan, kept: Set[str]) -> None:
        """Submits the Workflow, unless it is there and has not ended."""
        from somagent.workflows.engines.argo.emit.workflow import workflow_template  # noqa: PLC0415 - Hera takes 0.5 s

        await self._check_prepared()
        left = replace(plan, nodes=[node for node in plan.nodes if node.id not in kept]) if kept else plan
        template = workflow_template(left, self._place)
        name = _named_for(template)
        spec = template["spec"] if left.nodes else _of_finally(template["spec"])
        if not kept:
            spec = {"workflowTemplateRef": {"name": name}}
            await self._make("workflowtemplates", template | {"metadata": template["metadata"] | {"name": name}})
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
        if not await self._make("workflows", workflow) and await self._is_over(run.id):
            await self._cluster.delete("workflows", run.id)  # it was terminated: nothing of the run goes on with it
            await self._make("workflows", workflow)

    async def go_on(self, run_id: str, answered: Mapping[StepKey, str]) -> None:
        """Completes the nodes that wait for what was answered, also those that Argo is about to make."""
        try:
            async with asyncio.timeout(_PATIENCE_S if answered else None):
                async for found in self._cluster.workflow(run_id):
                    if run_id not in found or await self._opened(found[run_id], run_id, answered):
                        return
        except TimeoutError:
            raise EngineError(f"the answer is written down, but Argo does not come to {run_id}") from None

    async def _opened(self, workflow: Mapping[str, Any], run_id: str, answered: Mapping[StepKey, str]) -> bool:
        """Whether nothing is left to be completed for these answers."""
        try:
            nodes = nodes_of(workflow)
        except Offloaded as error:
            raise EngineError(
                f"{error}; the answer is written down, and `argo resume {run_id}` lets the run look at it"
            ) from error
        answers = {name: answered[key] for name, key in waiting(nodes, run_id).items() if key in answered}
        if not answers:
            return asking(nodes, run_id).isdisjoint(answered)
        patch = opened(nodes, answers, utc_now(), packed="compressedNodes" in workflow["status"])
        patch["metadata"] = {"resourceVersion": workflow["metadata"]["resourceVersion"]}
        try:
            await self._cluster.patch("workflows", run_id, patch)
        except Conflict:  # it has changed meanwhile, and is looked at again
            return False
        left = set(answered) - {key for name, key in waiting(nodes, run_id).items() if name in answers}
        return asking(nodes, run_id).isdisjoint(left)

    async def stop(self, run_id: str) -> None:
        """Argo's `Stop`: what is at work ends, and the exit handler runs."""
        await self._cluster.patch("workflows", run_id, {"spec": {"shutdown": "Stop"}})

    async def looks(self, run_id: str) -> AsyncIterator[Look]:
        """Whenever the Workflow or one of its pods has changed; that a cluster does not answer is told as a trouble."""
        async for look in watched(self._cluster, run_id):
            yield look

    async def _make(self, plural: str, body: Mapping[str, Any]) -> bool:
        """Whether it was made here. Its name says what is in it, so one that is there is the same."""
        try:
            await self._cluster.create(plural, body)
        except Conflict:
            return False
        return True

    async def _is_over(self, run_id: str) -> bool:
        try:
            return look_at(await self._cluster.get("workflows", run_id)).over
        except NotThere:
            return True

    async def _check_prepared(self) -> None:
        for account in (self._place.service_account, "somagent-executor"):
            if not await self._cluster.has(f"serviceaccounts/{account}"):
                namespace = self._cluster.namespace
                how = f"somagent compile --target argo CAPSULE | kubectl apply -n {namespace} -f -"
                raise EngineError(f"namespace {namespace} has no ServiceAccount `{account}`; make it with: {how}")
