"""The nodes of a Workflow as Argo keeps them: in the status, in it and compressed, or in a database of its own."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects.driver import Look
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.remote.exits import FOR_GOOD, Exit

_AT_WORK = {"Pending", "Running", ""}
_ENDED = {"Succeeded", "Failed", "Error"}
_MOST_TROUBLE = 300  # characters of a message
_NOT_OURS = {"1", "2"}  # Python's own exit codes
_SAID = {f"{code:d}" for code in (*FOR_GOOD, Exit.AGAIN)}  # by the runner, of its step; the ledger has why


class Offloaded(EngineError):
    """The nodes are in Argo's database, where only its own server reaches them."""


def nodes_of(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes by their ids; raises `Offloaded`."""
    status = workflow.get("status") or {}
    if status.get("offloadNodeStatusVersion"):
        raise Offloaded("Argo keeps the nodes of this Workflow in its database")
    if compressed := status.get("compressedNodes"):
        return json.loads(gzip.decompress(base64.b64decode(compressed)))  # type: ignore[no-any-return]
    return status.get("nodes") or {}


def look_at(workflow: Mapping[str, Any]) -> Look:
    """How the run stands there."""
    is_over = (workflow.get("status") or {}).get("phase", "") in _ENDED
    try:
        nodes = nodes_of(workflow)
    except Offloaded:
        return Look(over=is_over, troubles=_of_workflow(workflow) if is_over else {})
    troubles = {**_of_workflow(workflow), **_of_other_programs(nodes)}
    if is_over:
        return Look(over=True, troubles=troubles)
    # In one that was stopped, Argo leaves nodes as they were that would have begun another pod.
    kinds = {"Pod"} if workflow.get("spec", {}).get("shutdown") else {"Pod", "Retry"}
    at_work = any(node["type"] in kinds and _is_at_work(node) for node in nodes.values())
    waits = any(_waits(node) for node in nodes.values())
    return Look(
        parked=waits and not at_work,
        troubles={**_of_workflow(workflow), **_of_lost_pods(nodes), **_of_other_programs(nodes)},
    )


def waiting(nodes: Mapping[str, Any], run_id: str) -> dict[str, StepKey]:
    """The nodes that wait for people, and for which step of the run, or of a run inside it, each does."""
    found = {}
    for name, node in nodes.items():
        key = _key_of(nodes.get(node.get("boundaryID", ""), {}), run_id)
        if _waits(node) and key is not None:
            found[name] = key
    return found


def asking(nodes: Mapping[str, Any], run_id: str) -> set[StepKey]:
    """Steps that may ask people, and are at work or wait."""
    keys = (_key_of(node, run_id) for node in nodes.values() if node["type"] == "Steps" and _is_at_work(node))
    return {key for key in keys if key is not None}


def has_gone_on(nodes: Mapping[str, Any], name: str) -> bool:
    """Whether Argo went on behind a node that waited: until then it may write over what others wrote there."""
    node = nodes.get(name, {})
    return bool(node.get("children")) or not _is_at_work(nodes.get(node.get("boundaryID", ""), {}))


def opened(nodes: Mapping[str, Any], answers: Mapping[str, str], at: datetime, *, packed: bool) -> dict[str, Any]:
    """A merge patch that lets these nodes go on, each with what is said beside it."""
    done = {
        name: {"phase": "Succeeded", "finishedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}", "message": message}
        for name, message in answers.items()
    }
    if not packed:
        return {"status": {"nodes": done}}
    every = {name: node | done.get(name, {}) for name, node in nodes.items()}
    content = gzip.compress(json.dumps(every, separators=(",", ":")).encode(), mtime=0)
    return {"status": {"compressedNodes": base64.b64encode(content).decode()}}


def _is_at_work(node: Mapping[str, Any]) -> bool:
    return node.get("phase", "") in _AT_WORK


def _waits(node: Mapping[str, Any]) -> bool:
    return node.get("type") == "Suspend" and node.get("phase") == "Running"


def _key_of(node: Mapping[str, Any], run_id: str) -> StepKey | None:
    given = {one["name"]: one.get("value", "") for one in (node.get("inputs") or {}).get("parameters", [])}
    if "step" not in given:
        return None
    return StepKey(given.get("run") or run_id, given["step"], int(given.get("item", "-1")))


def steps_of_pods(workflow: Mapping[str, Any]) -> dict[str, str]:
    """The step of each pod, by the pod's name."""
    try:
        nodes = nodes_of(workflow)
    except Offloaded:
        return {}
    found = {}
    for node in nodes.values():
        key = _key_of(node, "")
        if node.get("type") == "Pod" and key is not None:
            found[_pod_name(workflow["metadata"]["name"], node)] = key.step
    return found


def _pod_name(workflow: str, node: Mapping[str, Any]) -> str:
    """As Argo makes it (pod name version 2): WORKFLOW-TEMPLATE-HASH, the hash being the end of the node's id."""
    return f"{workflow}-{node.get('templateName', '')}-{node['id'].rpartition('-')[2]}"


def _of_workflow(workflow: Mapping[str, Any]) -> dict[str, str]:
    message = (workflow.get("status") or {}).get("message", "")
    return {"": message[:_MOST_TROUBLE]} if message else {}


def _of_lost_pods(nodes: Mapping[str, Any]) -> dict[str, str]:
    """By step: why its last pod ended, where that says nothing of the step; another one follows."""
    found = {}
    for who, retry, pod, exit_code in _last_pods(nodes):
        is_lost = pod["phase"] == "Error" or (pod["phase"] == "Failed" and exit_code not in _SAID)
        if is_lost and _is_at_work(retry):
            found[who] = (pod.get("message") or "its pod is gone")[:_MOST_TROUBLE]
    return found


def _of_other_programs(nodes: Mapping[str, Any]) -> dict[str, str]:
    """By step: where the image has no runner that understands what it is told. Nothing of it is in the ledger."""
    found = {}
    for who, _, pod, exit_code in _last_pods(nodes):
        if pod["phase"] == "Failed" and exit_code in _NOT_OURS:
            said = pod.get("message", "")[:_MOST_TROUBLE]
            found[who] = f"{said}; is the image of this version of somagent?"
    return found


def _last_pods(nodes: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any], str]]:
    """Of each node that tries pods: its step, itself, the last pod, and how that exited."""
    for retry in nodes.values():
        pod = nodes.get(retry["children"][-1]) if retry["type"] == "Retry" and retry.get("children") else None
        if pod is not None:
            key = _key_of(retry, "")
            yield key.step if key else retry["displayName"], retry, pod, (pod.get("outputs") or {}).get("exitCode", "")
