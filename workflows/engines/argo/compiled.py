"""A capsule as a stream of objects for a cluster: the front door, which needs Hera only when it is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.protocol import EngineError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,55}[a-z0-9])?")


def compiled(plan: Plan, files: Mapping[str, bytes], place: Place, *, name: str = "") -> str:
    """YAML documents: accounts, rights, the plan and its files, and the WorkflowTemplate, called `name` if it is given.

    Raises `EngineError` for what cannot be an object in a cluster.
    """
    if name and not _NAME.fullmatch(name):
        raise EngineError(
            f"`{name}` can be no name of a WorkflowTemplate: small letters, digits and hyphens, at most 57 characters"
        )
    for value in (place.image, place.runs, place.runs_secret, place.namespace):
        if "{{" in value:
            raise EngineError(f"`{value}` holds `{{{{`, which Argo takes for a template of its own")
    try:
        from somagent.workflows.engines.argo.emit.stream import documents  # noqa: PLC0415 - Hera takes 0.5 s
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "hera":
            raise
        raise EngineError(
            "objects for Argo need the extra `argo`; install it with: pip install 'somagent[argo]'"
        ) from error
    from somagent.workflows.engines.argo.emit.yaml_text import write_documents  # noqa: PLC0415

    return write_documents(documents(plan, files, place, name=name))
