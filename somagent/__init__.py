"""Governed agent work as code: `somagent.run("hello.capsule.yaml", {"names": ["Ada"]})`.

This package is the front door only; each part is a folder of its own beside it and is linked in here
(`somagent.governance`, `somagent.capsule_compiler`, `somagent.operators`, `somagent.workflows`, `somagent.cli`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from somagent.workflows.running import CapsuleRefused
    from somagent.workflows.running import run_capsule as run

__all__ = ["CapsuleRefused", "run"]

_HOMES = {"CapsuleRefused": "CapsuleRefused", "run": "run_capsule"}


def __getattr__(name: str) -> Any:
    """Loads a part of the surface when it is asked for: importing the package alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module `somagent` has no attribute `{name}`")
    from somagent.workflows import running

    return getattr(running, _HOMES[name])
