"""The WorkflowTemplate of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hera.workflows import models as m

from somagent.capsule_compiler.plan import Plan, digest_of, plan_digest
from somagent.workflows.engines.argo.arguments import parameters_of, plain
from somagent.workflows.engines.argo.emit.graph import MAIN, Graph
from somagent.workflows.engines.argo.emit.passing import as_json, in_turn
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.pods import begin_pod, pod_settings
from somagent.workflows.engines.argo.emit.templates import Templates
from somagent.workflows.engines.granted import NOTHING, Handed

BEGIN = "begin-and-run"  # writes the run into the ledger first, from the Workflow's own arguments
_LABEL = "somagent.io/"
_LONGEST_NAME = 57  # Argo adds a hyphen and five characters; a Workflow's name has 63 at most


def workflow_template(
    plan: Plan,
    place: Place,
    *,
    name: str = "",
    kept: Sequence[str] = (),
    digest: str = "",
    handed: Handed = NOTHING,
) -> dict[str, Any]:
    """As JSON; the same plan and place give the same object.

    `kept` names the ConfigMaps in which the plan is. With them the template can be submitted by whoever knows Argo,
    and asks for the capsule's inputs; without, it is for runs that are in the ledger already. `digest` is the plan's,
    where it is known, and `handed` the secrets that a run is given as inputs.
    """
    digest = digest or plan_digest(plan)
    templates = Templates(place)
    templates.begins = bool(kept)
    graph = Graph(plan, plan, templates, handed=handed)
    entry, exit_handler = graph.main(), graph.at_the_end()
    if kept:
        entry = _begin_and_run(templates, place, kept)
    labels = labels_of(plan, digest)
    made = m.WorkflowTemplate(
        api_version="argoproj.io/v1alpha1",
        kind="WorkflowTemplate",
        metadata=m.ObjectMeta(
            name=name or object_name(f"{plan.capsule.name}-{_short(digest)}"),
            namespace=place.namespace,
            labels=labels,
            annotations=_annotations(plan, digest),
        ),
        spec=m.WorkflowSpec(
            entrypoint=entry,
            arguments=_arguments(plan) if kept else None,
            on_exit=exit_handler,
            service_account_name=place.service_account,
            workflow_metadata=m.WorkflowMetadata(labels=labels, annotations=_title(plan)),
            pod_metadata=m.Metadata(labels=labels),
            **pod_settings(),
        ),
    )
    found = as_json(made)
    found["spec"]["templates"] = templates.all()
    return found


def object_name(name: str) -> str:
    """The name, or a shorter one that is as much its own."""
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{_short(digest_of(name.encode()))[:8]}"


def labels_of(plan: Plan, digest: str) -> dict[str, str]:
    """What `kubectl get -l` finds them by."""
    return {
        f"{_LABEL}capsule": plan.capsule.name,
        f"{_LABEL}plan": _short(digest),
        f"{_LABEL}constitution": _short(plan.constitution.digest),
    }


def _annotations(plan: Plan, digest: str) -> dict[str, str]:
    return _title(plan) | {
        f"{_LABEL}plan-digest": digest,
        f"{_LABEL}constitution-digest": plan.constitution.digest,
    }


def _title(plan: Plan) -> dict[str, str]:
    """What Argo's lists show; a description is a line of them."""
    capsule = plan.capsule
    shown = {"title": " ".join(filter(None, (capsule.name, capsule.version))), "description": capsule.description}
    return {f"workflows.argoproj.io/{key}": plain(text) for key, text in shown.items() if text}


def _arguments(plan: Plan) -> m.Arguments | None:
    parameters = [
        m.Parameter(name=one.name, description=one.description or None, value=one.value, enum=one.enum or None)
        for one in parameters_of(plan)
    ]
    return m.Arguments(parameters=parameters) if parameters else None


def _begin_and_run(templates: Templates, place: Place, kept: Sequence[str]) -> str:
    begin = templates.add(begin_pod(place, kept))
    steps = [m.WorkflowStep(name="begin", template=begin), m.WorkflowStep(name=MAIN, template=MAIN)]
    return templates.add(m.Template(name=BEGIN, steps=in_turn(steps)))


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
