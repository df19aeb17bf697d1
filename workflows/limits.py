"""`limits.yaml` of a data directory: how much of what may be in use at once, and how fast."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.model.about import about
from somagent.capsule_compiler.model.quantities import count
from somagent.capsule_compiler.model.texts import TokenCount
from somagent.capsule_compiler.packages.reading import first_mistake, read_document
from somagent.governance.documents import nearest
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.slots import NO_LIMITS, Limit, Limits

FILE = "limits.yaml"
_TEXT = Meta(extra_json_schema={"type": "string"})
_Positive = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What all parts have in common."""


class ResourceLimit(_Part, frozen=True, kw_only=True):
    """How much attempts may have of one thing."""

    max_parallel: Annotated[_Positive, about("Attempts at work at once", 2)] | UnsetType = UNSET
    per_minute: Annotated[_Positive, about("Attempts that begin in a minute", 30)] | UnsetType = UNSET
    tokens_per_minute: Annotated[TokenCount, about("Tokens that attempts spend in a minute", "100k")] | UnsetType = (
        UNSET
    )


class CapsuleLimit(ResourceLimit, frozen=True, kw_only=True):
    """The same for the steps of a capsule, and how many of its runs are at work."""

    max_runs: Annotated[_Positive, about("Runs that a worker has at work at once; others wait", 1)] | UnsetType = UNSET


class LimitsSpec(_Part, frozen=True, kw_only=True):
    """Limits by what they are of."""

    capsules: Annotated[dict[str, CapsuleLimit], about("By the capsule's name", {"nightly": {"maxRuns": 1}})] = {}
    operators: Annotated[dict[str, ResourceLimit], about("By the operator's name", {"script": {"maxParallel": 2}})] = {}
    tools: Annotated[dict[str, ResourceLimit], about("By the tool's name", {"acme/notify": {"perMinute": 30}})] = {}
    personas: Annotated[
        dict[str, ResourceLimit], about("By the persona's name", {"acme/architect": {"maxParallel": 1}})
    ] = {}


class LimitsFile(_Part, frozen=True, kw_only=True):
    """What a process that works in a data directory keeps to."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _TEXT, about("Version of this form")]
    kind: Annotated[Literal["Limits"], _TEXT, about("What the document is")]
    spec: Annotated[LimitsSpec, about("The limits")]


def read_limits(directory: Path) -> Limits:
    """The limits of a data directory, none without the file; raises `EngineError`."""
    path = directory / FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return NO_LIMITS
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    source, _, read, found = read_document(str(path), content, LimitsFile)
    if read is None:
        raise EngineError(first_mistake(source, found))
    spec = read.spec
    kinds: dict[str, Mapping[str, ResourceLimit]] = {
        "capsules": spec.capsules,
        "operators": spec.operators,
        "tools": spec.tools,
        "personas": spec.personas,
    }
    resources = {f"{kind}.{name}": _limit(one) for kind, limits in kinds.items() for name, one in limits.items()}
    return Limits(resources, {name: one.max_runs or 0 for name, one in spec.capsules.items() if one.max_runs})


def not_installed(limits: Limits, operators: Collection[str]) -> list[str]:
    """A sentence without a full stop for each operator that is limited and that no step here can have."""
    named = [name.partition(".")[2] for name in limits.resources if name.startswith("operators.")]
    found = []
    for name in (one for one in named if one not in operators):
        meant = nearest(name, operators)
        hint = f"; did you mean `{meant}`?" if meant else ""
        found.append(f"{FILE} limits the operator `{name}`, which is not installed here{hint}")
    return found


def _limit(one: ResourceLimit) -> Limit:
    return Limit(
        at_once=one.max_parallel or 0,
        per_minute=one.per_minute or 0,
        tokens_per_minute=count(one.tokens_per_minute) if one.tokens_per_minute else 0,
    )
