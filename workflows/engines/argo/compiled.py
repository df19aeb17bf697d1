"""A capsule as a stream of objects for a cluster: the front door, which needs Hera only when it is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.sizes import Size, sizes_of
from somagent.workflows.engines.protocol import EngineError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,55}[a-z0-9])?")


class Compiled(NamedTuple):
    """YAML documents, and how near they are to what Argo takes."""

    text: str
    sizes: Sequence[Size]


def compiled(plan: Plan, files: Mapping[str, bytes], place: Place, *, name: str = "") -> Compiled:
    """Accounts, rights, the plan and its files, and the WorkflowTemplate, called `name` if it is given.

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

    objects = list(documents(plan, files, place, name=name))
    sizes = sizes_of(objects[-1])
    over = [size for size in sizes if size.share > 1 and not size.while_running]
    if over:
        raise EngineError(f"this capsule is too large for Argo: {'; '.join(map(str, over))}; split it into capsules")
    return Compiled(write_documents(objects), sizes)
