"""Governed agent work as code: `somagent.run("hello.capsule.yaml", {"names": ["Ada"]})`.

This package is the front door only; each part is a folder of its own beside it and is linked in here
(`somagent.governance`, `somagent.capsule_compiler`, `somagent.operators`, `somagent.workflows`, `somagent.cli`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from somagent.operators.runner.records import Artifact
    from somagent.workflows.capsules import NotReadable
    from somagent.workflows.engines.protocol import DecisionRefused, EngineError, Event, UnknownRun
    from somagent.workflows.identity import IdentityRefused
    from somagent.workflows.inputs import InputsRefused
    from somagent.workflows.programs.blocking import BlockingRun, BlockingRuns, run
    from somagent.workflows.programs.capsule import Capsule, CapsuleRefused
    from somagent.workflows.programs.capsule import compile_capsule as compile  # noqa: A004 - as `re.compile`
    from somagent.workflows.programs.outputs import OutputsRefused
    from somagent.workflows.programs.result import Result, RunFailed, RunUnfinished
    from somagent.workflows.programs.run import Run
    from somagent.workflows.programs.runs import Runs, start

_HOMES = {
    "Artifact": "operators.runner.records",
    "BlockingRun": "workflows.programs.blocking",
    "BlockingRuns": "workflows.programs.blocking",
    "Capsule": "workflows.programs.capsule",
    "CapsuleRefused": "workflows.programs.capsule",
    "DecisionRefused": "workflows.engines.protocol",
    "EngineError": "workflows.engines.protocol",
    "Event": "workflows.engines.protocol",
    "IdentityRefused": "workflows.identity",
    "InputsRefused": "workflows.inputs",
    "NotReadable": "workflows.capsules",
    "OutputsRefused": "workflows.programs.outputs",
    "Result": "workflows.programs.result",
    "Run": "workflows.programs.run",
    "RunFailed": "workflows.programs.result",
    "RunUnfinished": "workflows.programs.result",
    "Runs": "workflows.programs.runs",
    "UnknownRun": "workflows.engines.protocol",
    "compile": "workflows.programs.capsule",
    "run": "workflows.programs.blocking",
    "start": "workflows.programs.runs",
}

__all__ = [
    "Artifact",
    "BlockingRun",
    "BlockingRuns",
    "Capsule",
    "CapsuleRefused",
    "DecisionRefused",
    "EngineError",
    "Event",
    "IdentityRefused",
    "InputsRefused",
    "NotReadable",
    "OutputsRefused",
    "Result",
    "Run",
    "RunFailed",
    "RunUnfinished",
    "Runs",
    "UnknownRun",
    "compile",
    "run",
    "start",
]


def __getattr__(name: str) -> Any:
    """Loads a part of the surface when it is asked for: importing the package alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module `somagent` has no attribute `{name}`")
    from importlib import import_module

    home = import_module(f"somagent.{_HOMES[name]}")
    return getattr(home, "compile_capsule" if name == "compile" else name)
