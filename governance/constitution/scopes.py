"""The names that a rule may use, and where their values come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from somagent.governance.cel import BOOL, STRING, Field, ObjectType, Type

STEP = ObjectType(
    {
        "id": Field(STRING, doc="The step's name in the capsule"),
        "operator": Field(STRING, doc="What the step does: `script`, `policy`, ..."),
        "gate": Field(BOOL, doc="Whether the steps after it wait for its consent"),
    },
    title="`step`",
)
CAPSULE = ObjectType(
    {
        "name": Field(STRING, doc="The capsule's `metadata.name`"),
        "package": Field(STRING, doc="The capsule's `spec.package`; empty when it has none"),
        "version": Field(STRING, doc="The capsule's `spec.version`; empty when it has none"),
    },
    title="`capsule`",
)
RUN = ObjectType(
    {
        "id": Field(STRING, doc="The run's id"),
        "submitter": Field(STRING, doc="Who started the run"),
    },
    title="`run`",
)

RUN_NAME = "run"
STEP_SCOPE: Mapping[str, Type] = {"step": STEP, "capsule": CAPSULE, RUN_NAME: RUN}


class Circumstances(Struct, frozen=True):
    """The step that is judged, the capsule that it belongs to, and the run; before a run, the last two are empty."""

    step: str
    operator: str
    gate: bool
    capsule: str
    package: str = ""
    version: str = ""
    run: str = ""
    submitter: str = ""

    def known_before_a_run(self) -> dict[str, Any]:
        """Values of all names but `run`."""
        return {
            "step": {"id": self.step, "operator": self.operator, "gate": self.gate},
            "capsule": {"name": self.capsule, "package": self.package, "version": self.version},
        }

    def bindings(self) -> dict[str, Any]:
        """Values of all names of a step rule."""
        return {**self.known_before_a_run(), RUN_NAME: {"id": self.run, "submitter": self.submitter}}
