"""Who the pods are, and what they may do: nearly nothing. The same objects for every capsule of a namespace.

Steps have no token at all. Argo's own container beside them reports what came of a pod, by an account of its own; the
first pod of a run that was submitted without us reads the Workflow that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from somagent.workflows.engines.argo.emit.place import Place

EXECUTOR = "somagent-executor"
EXECUTOR_SECRET = f"{EXECUTOR}.service-account-token"
_ARGO = "argoproj.io"
_RBAC = "rbac.authorization.k8s.io"


def rights(place: Place) -> Iterator[dict[str, Any]]:
    """Accounts, their rights, and the token of Argo's container, which Kubernetes fills in."""
    standard = Place(image="", runs="")
    if place.service_account == standard.service_account:
        yield _account(place.service_account, place) | {"automountServiceAccountToken": False}
    if place.begin_account == standard.begin_account:
        yield _account(place.begin_account, place)  # Argo turns its token off for pods, and never on
    yield _account(EXECUTOR, place) | {"automountServiceAccountToken": False}
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            **_named(EXECUTOR_SECRET, place),
            "annotations": {"kubernetes.io/service-account.name": EXECUTOR},
        },
        "type": "kubernetes.io/service-account-token",
    }
    yield from _allowed(EXECUTOR, "workflowtaskresults", ["create", "patch"], EXECUTOR, place)
    yield from _allowed("somagent-begin", "workflows", ["get"], place.begin_account, place)


def _account(name: str, place: Place) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(name, place)}


def _allowed(name: str, resource: str, verbs: list[str], account: str, place: Place) -> Iterator[dict[str, Any]]:
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": _named(name, place),
        "rules": [{"apiGroups": [_ARGO], "resources": [resource], "verbs": verbs}],
    }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": _named(name, place),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": place.namespace}],
    }


def _named(name: str, place: Place) -> dict[str, Any]:
    return {"name": name, "namespace": place.namespace, "labels": {"app.kubernetes.io/part-of": "somagent"}}
