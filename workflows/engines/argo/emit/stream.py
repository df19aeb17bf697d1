"""All that a namespace needs to run a capsule, as documents for `kubectl apply` and GitOps, always the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.rights import rights
from somagent.workflows.engines.argo.emit.workflow import labels_of, object_name, workflow_template
from somagent.workflows.engines.argo.kept import kept_in, names_of


def documents(plan: Plan, files: Mapping[str, bytes], place: Place, *, name: str = "") -> Iterator[dict[str, Any]]:
    """Accounts and rights, the plan, and the WorkflowTemplate, by default with the capsule's name.

    Raises `EngineError` when the plan is too large to be kept in a cluster.
    """
    name = name or object_name(plan.capsule.name)
    digest = plan_digest(plan)
    yield from rights(place)
    data = kept_in(plan, files)
    kept = names_of(f"{name}-plan", data)
    for its_name, entries in zip(kept, data, strict=True):
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": its_name, "namespace": place.namespace, "labels": labels_of(plan, digest)},
            "immutable": True,
            **entries,
        }
    yield workflow_template(plan, place, name=name, kept=kept, digest=digest)
