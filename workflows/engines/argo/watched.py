"""A run as the cluster sees it: its Workflow and its pods, watched; what keeps a pod from beginning is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from somagent.workflows.engines.argo.cluster import Cluster, ClusterUnreachable
from somagent.workflows.engines.argo.nodes import look_at, steps_of_pods
from somagent.workflows.engines.objects.driver import Look
from somagent.workflows.engines.protocol import EngineError

_AGAIN_S = (0.2, 5.0)  # until a cluster that does not answer is asked again, at first and in the end
_BEGIN_S = 5.0  # a pod that has not begun for so long is looked at

_Objects = dict[str, dict[str, Any]]


async def watched(cluster: Cluster, run_id: str) -> AsyncIterator[Look]:
    """The looks of a driver (see `objects.driver`)."""
    told: asyncio.Queue[tuple[str, _Objects | EngineError]] = asyncio.Queue()

    async def follow(what: str, wait_s: float = _AGAIN_S[0]) -> None:
        while True:
            try:
                async for objects in cluster.workflow(run_id) if what == "workflow" else cluster.pods(run_id):
                    told.put_nowait((what, objects))
                    wait_s = _AGAIN_S[0]
            except ClusterUnreachable as error:
                told.put_nowait(("unreachable", error))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _AGAIN_S[1])
            except EngineError as error:
                told.put_nowait(("refused", error))
                return

    workflow: dict[str, Any] | None = None
    pods: _Objects = {}
    troubles: dict[str, str] = {}
    followers = [asyncio.create_task(follow("workflow")), asyncio.create_task(follow("pods"))]
    try:
        while True:
            try:
                what, told_of = await asyncio.wait_for(told.get(), _BEGIN_S if _not_begun(pods) else None)
            except TimeoutError:
                troubles = await _troubles(cluster, workflow, pods)
                if workflow is not None:
                    yield _with(look_at(workflow), troubles)
                continue
            if isinstance(told_of, EngineError):
                if what == "refused":
                    raise told_of
                yield Look(troubles={"": str(told_of)})
                continue
            if what == "pods":
                pods = told_of
                troubles = {step: why for step, why in troubles.items() if _not_begun(pods)}
            else:
                workflow = told_of.get(run_id)
                if workflow is None:
                    yield Look(over=True)
                    return
            if workflow is not None:
                yield _with(look_at(workflow), troubles)
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)


def _with(look: Look, troubles: Mapping[str, str]) -> Look:
    return Look(over=look.over, parked=look.parked, troubles={**look.troubles, **troubles})


def _not_begun(pods: _Objects) -> list[str]:
    return [name for name, pod in pods.items() if pod["status"].get("phase") == "Pending"]


async def _troubles(cluster: Cluster, workflow: Mapping[str, Any] | None, pods: _Objects) -> dict[str, str]:
    """By step: the newest warning of the cluster about its pod, else what its containers wait for."""
    steps = steps_of_pods(workflow or {})
    found = {}
    for name in _not_begun(pods)[:8]:
        try:
            events = await cluster.events(name)
        except EngineError:  # no right to see them: then there is less to be said
            events = []
        warnings = [event for event in events if event.get("type") == "Warning"]
        newest = max(
            warnings, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None
        )
        why = f"{newest['reason']}: {newest['message']}" if newest is not None else _waiting_for(pods[name])
        if why:
            found[steps.get(name, name)] = why[:300]
    return found


def _waiting_for(pod: Mapping[str, Any]) -> str:
    status = pod["status"]
    for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        reason = one.get("state", {}).get("waiting", {})
        if reason.get("message"):
            return f"{reason.get('reason')}: {reason['message']}"
    return ""
