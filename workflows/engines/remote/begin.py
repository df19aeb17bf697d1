"""A run that was submitted with the engine's own tools: its inputs are read, checked and stored before it begins.

They are read from the Workflow itself by the API of its cluster, never from this program's arguments: what Argo puts
into those goes through its template language.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.records import RunRecord
from somagent.workflows.engines.argo.arguments import given_by
from somagent.workflows.engines.argo.creator import submitter_in
from somagent.workflows.engines.argo.kept import read_kept
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.driver import Address
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import EngineError, StoreUnreachable
from somagent.workflows.engines.remote.begun import begun_by
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.inputs import InputsRefused, accept_inputs

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ANSWER_S = 15


async def begin(ledger: ObjectLedger, run_id: str, folder: Path, environment: Mapping[str, str]) -> RunRecord:
    """Stores the run of the plan that is kept in `folder` (`engines.argo.kept`).

    One that this Workflow has begun already stays as it is. Raises `EngineError` when another one has, and one that
    says every input that is wrong.
    """
    if top_of(run_id) != run_id:
        raise EngineError(f"`{run_id}` has a dot, as the names of runs inside others; name the Workflow without one")
    return await begin_from(ledger, folder, _workflow(run_id, environment))


async def begin_from(ledger: ObjectLedger, folder: Path, workflow: Mapping[str, Any]) -> RunRecord:
    """The same, of this Workflow."""
    metadata = workflow["metadata"]
    run_id, uid = metadata["name"], metadata["uid"]
    if run := await begun_by(ledger, run_id, uid):
        return run
    plan, files = read_kept(folder)
    submitter = submitter_in(metadata.get("labels", {}))
    try:
        inputs = accept_inputs(plan, _given(plan, workflow), Path("/"), how=_by_parameter, here=False)
    except InputsRefused as refused:
        raise EngineError("; ".join(refused.problems)) from None
    run = RunRecord(
        id=run_id,
        capsule=plan.capsule.name,
        plan_digest="",
        submitter=submitter.name,
        submitter_labels=list(submitter.labels),
        inputs=inputs,
        created_at=utc_now(),
    )
    address = Address("argo", f"{metadata['namespace']}/{run_id}", uid)
    try:
        return await people.submit(ledger, run, plan, files, address=address)
    except EngineError:
        if there := await begun_by(ledger, run_id, uid):  # by another pod of this Workflow, at the same moment
            return there
        raise


def _given(plan: Plan, workflow: Mapping[str, Any]) -> dict[str, Any]:
    """What the Workflow's own arguments say."""
    parameters = (workflow["spec"].get("arguments") or {}).get("parameters") or ()
    texts = {one["name"]: one["value"] for one in parameters if one.get("value") is not None}
    try:
        return given_by(texts, plan)
    except ValueError as error:
        raise EngineError(str(error)) from None


def _by_parameter(name: str, value: str) -> str:
    return f"-p {name}={value}"


def _workflow(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    namespace = (_ACCOUNT / "namespace").read_text().strip()
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{host}:{port}/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows/{name}",
        headers={"Authorization": f"Bearer {(_ACCOUNT / 'token').read_text().strip()}", "Accept": "application/json"},
    )
    return asked(request, ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt")))


def asked(request: urllib.request.Request, trusted: ssl.SSLContext | None = None) -> dict[str, Any]:
    """What the cluster's API answers; raises `StoreUnreachable` where it may answer otherwise the next time."""
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S, context=trusted) as answer:  # noqa: S310
            return json.load(answer)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        error.close()
        said = f"{error.code} {error.reason}"
        if error.code == HTTPStatus.TOO_MANY_REQUESTS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreUnreachable(f"the cluster's API does not answer: {said}") from error
        raise EngineError(f"the cluster does not show this Workflow to its own pod: {said}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # also an answer that was cut off
        raise StoreUnreachable(f"the cluster's API does not answer: {error}") from error
