"""Objects that a cluster is given, and whether Argo began with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from somagent.workflows.engines.argo.cluster import Cluster, Conflict
from somagent.workflows.engines.protocol import EngineError

_HEARS_S = 5.0  # until Argo has said a word of it
_TIMES = 20  # it is given anew at most, before Argo knows the template


async def made(cluster: Cluster, plural: str, body: Mapping[str, Any]) -> bool:
    """Whether it was made here. Its name says what is in it, so one that is there is the same."""
    try:
        await cluster.create(plural, body)
    except Conflict:
        return False
    return True


async def begun(cluster: Cluster, template: str, workflow: Mapping[str, Any]) -> None:
    """Waits until Argo has begun with a Workflow that refers to a WorkflowTemplate, which may be new.

    Argo may hear of the Workflow first; then it gives it up for want of the template, and is given it again.
    """
    run_id = workflow["metadata"]["name"]
    for _ in range(_TIMES):
        uid = await _given_up(cluster, template, run_id)
        if not uid:
            return
        await cluster.delete("workflows", run_id, uid)
        await made(cluster, "workflows", workflow)


async def _given_up(cluster: Cluster, template: str, run_id: str) -> str:
    """The uid of a Workflow whose template was wanting, else nothing.

    Who follows the run is told of all else, also that nothing begins.
    """
    with suppress(TimeoutError, EngineError):
        async with asyncio.timeout(_HEARS_S):
            async for found in cluster.workflow(run_id):
                status = found.get(run_id, {}).get("status") or {}
                if status.get("phase"):
                    wanting = status["phase"] == "Error" and f'"{template}" not found' in status.get("message", "")
                    return str(found[run_id]["metadata"]["uid"]) if wanting else ""
    return ""
