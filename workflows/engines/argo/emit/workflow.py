"""The WorkflowTemplate of a plan."""

from __future__ import annotations

import re
from typing import Any

from hera.workflows import models as m

from somagent.capsule_compiler.plan import Plan, plan_digest
from somagent.workflows.engines.argo.emit.graph import Templates, main_dag, people, task_name
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.pods import Shape, pod_settings, shape_of

_LABEL = "somagent.io/"


def workflow_template(plan: Plan, place: Place) -> dict[str, Any]:
    """As JSON; the same plan and place give the same object."""
    templates = Templates(place)
    entry = main_dag(plan, templates)
    exit_handler = _exit(plan, templates)
    if any("asking" in (one.name or "") for one in templates.all()):
        templates.add(people())
    name, digest = plan.capsule.name, plan_digest(plan)
    labels = {
        f"{_LABEL}capsule": name,
        f"{_LABEL}plan": _short(digest),
        f"{_LABEL}constitution": _short(plan.constitution.digest),
    }
    made = m.WorkflowTemplate(
        api_version="argoproj.io/v1alpha1",
        kind="WorkflowTemplate",
        metadata=m.ObjectMeta(
            name=f"{name}-{_short(digest)}",
            namespace=place.namespace,
            labels=labels,
            annotations={
                "workflows.argoproj.io/title": name,
                "workflows.argoproj.io/description": _plain(plan.capsule.description),
                f"{_LABEL}plan-digest": digest,
                f"{_LABEL}constitution-digest": plan.constitution.digest,
            },
        ),
        spec=m.WorkflowSpec(
            entrypoint=entry,
            on_exit=exit_handler,
            service_account_name=place.service_account,
            workflow_metadata=m.WorkflowMetadata(labels=labels),
            templates=templates.all(),
            **pod_settings(),
        ),
    )
    return made.model_dump(exclude_none=True, by_alias=True, mode="json")


def _exit(plan: Plan, templates: Templates) -> str:
    """`finally`, one step after the other whatever becomes of each; then how the run ended is written down."""
    tasks, before = [], ""
    for node in plan.finals:
        tasks.append(
            m.DAGTask(
                name=task_name(node.id),
                template=templates.pod(shape_of(node)),
                depends=before or None,
                arguments=m.Arguments(parameters=[m.Parameter(name="step", value=node.id)]),
            )
        )
        before = f"({task_name(node.id)}.Succeeded || {task_name(node.id)}.Failed || {task_name(node.id)}.Errored)"
    tasks.append(m.DAGTask(name="end-of-run", template=templates.pod(Shape("end")), depends=before or None))
    return templates.add(m.Template(name="at-the-end", dag=m.DAGTemplate(fail_fast=False, tasks=tasks)))


def _plain(text: str) -> str:
    """Nothing that Argo could take for a template of its own."""
    return re.sub(r"\{(?=\{)", "{ ", text)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
