"""The pod that a call of the step runner is, and what single steps add to it, as Kubernetes has them in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from somagent.capsule_compiler.model.quantities import millicores, size_bytes
from somagent.capsule_compiler.plan import Node, Plan
from somagent.workflows.engines.airflow.emit.place import Pods
from somagent.workflows.engines.granted import Handed, Use, as_variables, granted, handed_inside
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.sub_capsules import nodes_of

_WORK, _TMP = "/somagent", "/tmp"  # noqa: S108 - the pod's own, and empty
_MESSAGE = "/dev/termination-log"  # Kubernetes keeps it with the exit code: nothing beside the pod is asked for answers


def check_pods(plan: Plan) -> None:
    """Raises `EngineError` when a script asks for an image: the pods have the step runner's and no container beside."""
    for one in (plan, *plan.capsules.values()):
        for node in nodes_of(one):
            image = _script(node).get("image")
            if image:
                line = one.source.lines.get(node.id)
                place = f"{one.source.file}:{line}: " if line is not None else ""
                raise EngineError(
                    f"{place}step `{node.id}` runs in an image of its own, `{image}`, and pods that Airflow starts have"
                    " the step runner's only; leave `image` out and build what the script needs into that one"
                    " (`--image`), or run the capsule on Argo"
                )


def pod_of(pods: Pods, runs: str) -> dict[str, Any]:
    """What all pods have: they may do nothing in the cluster, and write into their own two folders only."""
    container: dict[str, Any] = {
        "name": "base",  # as Airflow's operator looks for it
        "image": pods.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["somagent-step"],
        "args": ["--message", _MESSAGE, "--work", _WORK],
        "env": [{"name": "SOMAGENT_RUNS", "value": runs}],
        "resources": {"requests": _quantities(pods.memory, pods.millicores)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "somagent", "mountPath": _WORK}, {"name": "tmp", "mountPath": _TMP}],
    }
    if pods.runs_secret:
        container["envFrom"] = [{"secretRef": {"name": pods.runs_secret}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "somagent", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    }


def added(root: Plan, nodes: Sequence[Node], pods: Pods, handed: Handed) -> dict[str, Any]:
    """What the pods for these steps have that others have not; `handed` are secrets that the run is given as inputs.

    Raises `EngineError` for secrets that it cannot have.
    """
    row: dict[str, Any] = {}
    uses = frozenset[Use]().union(*(_secrets(root, root, node, handed) for node in nodes))
    secrets = as_variables(sorted(uses), {pods.runs_secret})
    if secrets:
        row["secrets"] = [_secret(name, use) for name, use in secrets.items()]
    every = [size for node in nodes for size in _sizes(root, node)]
    memory, cores = (max(sizes) for sizes in zip(*every, strict=True))
    if memory or cores:
        asked = _quantities(memory + pods.memory, cores + pods.millicores)
        limits = {name: text for name, text in asked.items() if {"memory": memory, "cpu": cores}[name]}
        has_capsule = any(node.capsule for node in nodes)
        row["resources"] = {"requests": asked} if has_capsule else {"requests": asked, "limits": limits}
    return row


def _secrets(root: Plan, plan: Plan, node: Node, handed: Handed) -> frozenset[Use]:
    """Those of the step, and of the steps of its capsule, which run in its pod."""
    own = granted(plan, node, handed)
    child = root.capsules.get(node.capsule)
    if child is None:
        return own
    inside = handed_inside(plan, node, child, handed)
    return own.union(*(_secrets(root, child, one, inside) for one in nodes_of(child)))


def _sizes(root: Plan, node: Node) -> Iterator[tuple[int, int]]:
    """Memory and cores of the step's script, or of each inside its capsule; 0 where nothing is said."""
    limits = _script(node).get("resources") or {}
    yield (
        size_bytes(limits["memory"]) if "memory" in limits else 0,
        millicores(limits["cpu"]) if "cpu" in limits else 0,
    )
    if node.capsule in root.capsules:
        for one in nodes_of(root.capsules[node.capsule]):
            yield from _sizes(root, one)


def _script(node: Node) -> Mapping[str, Any]:
    arguments = node.arguments.value
    return arguments if node.operator == "script" and isinstance(arguments, dict) else {}


def _secret(name: str, use: Use) -> dict[str, Any]:
    """One that is not in the namespace fails the step with words; the pod would wait for it for ever."""
    source = {"secretKeyRef": {"name": use[0], "key": use[1], "optional": True}}
    return {"name": name, "valueFrom": source}


def _quantities(memory: int, cores: int) -> dict[str, str]:
    """In the spelling of Kubernetes."""
    return {"memory": f"{-(-memory // (1 << 20))}Mi", "cpu": f"{cores}m"}
