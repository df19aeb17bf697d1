"""The capsule under test: compiled as for a run, with what only tests ask about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from msgspec import Struct

from somagent.capsule_compiler.catalogue import Catalogue
from somagent.capsule_compiler.compile import draft_capsule, shown
from somagent.capsule_compiler.draft import Given
from somagent.capsule_compiler.environment import type_of_schema, with_statuses
from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.cel import Field, ObjectType, Type
from somagent.governance.constitution import Constitution
from somagent.governance.documents import Diagnostic, Source
from somagent.operators.operator import Operator
from somagent.workflows.capsules import Installation, files_beside, read_bytes
from somagent.workflows.testing.model import StepPhase


class Subject(Struct, frozen=True):
    """A capsule and its mistakes; without errors there is a plan."""

    path: Path
    source: Source
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    contents: Mapping[str, bytes]
    scope: Mapping[str, Type]  # what assertions may name
    catalogue: Catalogue
    operators: Mapping[str, Operator]

    def node(self, address: str) -> Node | None:
        """The step of an address: an id, or `STEP/ID` inside a capsule step."""
        found = self.place(address)
        return found[1] if found is not None else None

    def place(self, address: str) -> tuple[Plan, Node] | None:
        """The step of an address, and the plan in which it stands."""
        plan = self.plan
        *outer, last = address.split("/")
        for name in outer:
            node = _node(plan, name)
            plan = self.plan.capsules.get(node.capsule) if self.plan is not None and node is not None else None
        node = _node(plan, last)
        return (plan, node) if plan is not None and node is not None else None

    def needs_answer(self, node: Node) -> bool:
        """Whether the step's effect is outside of the run, so that a test must answer for it."""
        operator = self.operators.get(node.operator)
        return operator is not None and not node.capsule and (operator.entry.outside or operator.cannot_run(node) != "")

    def takes_answer(self, node: Node) -> bool:
        """Whether an answer may stand for the step; what SomaGent does itself is always real."""
        entry = self.catalogue.operators.get(node.operator)
        return entry is not None and (
            self.needs_answer(node) or (entry.declares_outputs and not entry.gate) or bool(node.capsule)
        )


def compile_subject(path: Path, installation: Installation, constitution: Constitution) -> Subject:
    """Compiles the capsule at a path; raises `NotReadable`."""
    given = Given(
        installation.language, constitution, files_beside(path.parent), installation.packages, installation.locked
    )
    draft = draft_capsule(str(path), read_bytes(path), given)
    scope: dict[str, Type] = dict(draft.scopes[""].outer) if "" in draft.scopes else {}
    scope.pop("secrets", None)
    if "steps" in scope:
        scope["steps"] = with_statuses(scope["steps"], get_args(StepPhase))
    if draft.plan is not None:
        types = draft.plan.types
        outputs = {name: Field(type_of_schema(schema, types)) for name, schema in draft.plan.output_schemas.items()}
        scope["outputs"] = ObjectType(outputs, "the capsule", "output", "unknown-output")
    return Subject(
        path,
        draft.source,
        draft.plan,
        shown(draft),
        draft.contents,
        scope,
        installation.language.catalogue,
        installation.operators,
    )


def _node(plan: Plan | None, name: str) -> Node | None:
    if plan is None:
        return None
    return next((node for node in (*plan.nodes, *plan.finals) if node.id == name), None)
