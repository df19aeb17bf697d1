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
_MOST, _LONGEST = 8, 300  # pods that are looked at, and characters of what is said

_Objects = dict[str, dict[str, Any]]


async def watched(cluster: Cluster, run_id: str) -> AsyncIterator[Look]:
    """The looks of a driver (see `objects.driver`)."""
    told: asyncio.Queue[tuple[str, _Objects | EngineError]] = asyncio.Queue()
    seen = _Seen(cluster, run_id)
    followers = [asyncio.create_task(_follow(cluster, run_id, what, told)) for what in ("workflow", "pods")]
    try:
        while not (look := await seen.next(told)).over:
            yield look
        yield look
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)


async def _follow(
    cluster: Cluster, run_id: str, what: str, told: asyncio.Queue[tuple[str, _Objects | EngineError]]
) -> None:
    wait_s = _AGAIN_S[0]
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


class _Seen:
    """What was seen last, and when pods that have not begun are to be looked at."""

    def __init__(self, cluster: Cluster, run_id: str) -> None:
        self._cluster, self._run = cluster, run_id
        self._workflow: dict[str, Any] | None = None
        self._pods: _Objects = {}
        self._troubles: dict[str, str] = {}
        self._due: float | None = None

    async def next(self, told: asyncio.Queue[tuple[str, _Objects | EngineError]]) -> Look:
        """The next look; raises the `EngineError` of a cluster that refuses."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                what, found = await asyncio.wait_for(told.get(), None if self._due is None else self._due - clock())
            except TimeoutError:
                self._troubles, self._due = await self._found(), clock() + _BEGIN_S
            else:
                if isinstance(found, EngineError):
                    if what == "refused":
                        raise found
                    return Look(troubles={"": str(found)})
                if what == "workflow" and self._run not in found:
                    return Look(over=True)
                self._take(what, found, clock())
            if self._workflow is not None:
                look = look_at(self._workflow)
                return Look(over=look.over, parked=look.parked, troubles={**look.troubles, **self._troubles})

    def _take(self, what: str, found: _Objects, now: float) -> None:
        if what == "workflow":
            self._workflow = found[self._run]
            return
        self._pods = found
        if not _not_begun(found):
            self._troubles, self._due = {}, None
        elif self._due is None:
            self._due = now + _BEGIN_S

    async def _found(self) -> dict[str, str]:
        """By step: what the cluster warns of about its pod, else what its containers wait for."""
        steps, found = steps_of_pods(self._workflow or {}), {}
        for name in _not_begun(self._pods)[:_MOST]:
            try:
                events = await self._cluster.events(name)
            except EngineError:  # no right to see them: then there is less to be said
                events = []
            warnings = [f"{one['reason']}: {one['message']}" for one in events if one.get("type") == "Warning"]
            why = max(warnings, key=len, default="") or _waiting_for(self._pods[name])
            if why:
                found[steps.get(name, name)] = why[:_LONGEST]
        return found


def _not_begun(pods: _Objects) -> list[str]:
    return [name for name, pod in pods.items() if pod["status"].get("phase") == "Pending"]


def _waiting_for(pod: Mapping[str, Any]) -> str:
    status = pod["status"]
    for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        reason = one.get("state", {}).get("waiting", {})
        if reason.get("message"):
            return f"{reason.get('reason')}: {reason['message']}"
    return ""
