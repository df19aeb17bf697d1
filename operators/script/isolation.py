"""Where scripts run: on this machine, or each in a container of its own when SOMAGENT_ISOLATION asks for it.

The value is `none` (as without it), `container` (podman if it is here, else docker), or one of the two by name. It is
a setting of the machine and not of the capsule: who runs the scripts of others decides how far to trust them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping

from msgspec import Struct

from somagent.capsule_compiler.plan import Plan

VARIABLE = "SOMAGENT_ISOLATION"
NETWORK = "SOMAGENT_CONTAINER_NETWORK"
ENGINES = ("podman", "docker")
NO_IMAGE = f"{VARIABLE} asks for a container, and the script names no `image`; write one, such as `image: python:3.12`"
_WAYS = ("none", "container", *ENGINES)


class Isolation(Struct, frozen=True):
    """The program that runs containers, and the network that they get."""

    engine: str  # its path
    network: str = "none"

    @property
    def podman(self) -> bool:
        """Whether it is podman, which knows who starts it; docker's server runs as root."""
        return os.path.basename(self.engine) == "podman"  # noqa: PTH119 - of a text


class IsolationRefused(Exception):
    """What was asked for cannot be had here; the message says why and the way out."""


def isolation(environment: Mapping[str, str] = os.environ) -> Isolation | None:
    """How scripts are isolated; None: not at all. Raises `IsolationRefused`."""
    asked = environment.get(VARIABLE, "").strip() or "none"
    if asked not in _WAYS:
        raise IsolationRefused(f"{VARIABLE} is `{asked}`; it may be {', '.join(_WAYS[:-1])} or {_WAYS[-1]}")
    if asked == "none":
        return None
    names = ENGINES if asked == "container" else (asked,)
    path = environment.get("PATH")
    engine = next((found for name in names if (found := shutil.which(name, path=path))), None)
    if engine is None:
        raise IsolationRefused(
            f"{VARIABLE} asks for a container engine, and there is no {' or '.join(names)} on PATH; install one, or run"
            f" scripts on this machine with {VARIABLE}=none"
        )
    return Isolation(engine, environment.get(NETWORK, "").strip() or "none")


def not_isolated(plan: Plan, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Why the plan's scripts could not be isolated as it was asked for, one sentence each."""
    try:
        if isolation(environment) is None:
            return []
    except IsolationRefused as refused:
        return [str(refused)]
    return list(_without_image(plan))


def _without_image(plan: Plan) -> Iterator[str]:
    for one in (plan, *plan.capsules.values()):
        for node in (*one.nodes, *one.finals):
            arguments = node.arguments.value
            if node.operator == "script" and isinstance(arguments, dict) and not arguments.get("image"):
                yield f"step `{node.id}` of `{one.capsule.name}`: {NO_IMAGE}"
