"""A plan made ready to run: expressions compiled, schemas turned into types and validators, each once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from somagent.capsule_compiler.environment import type_of_schema
from somagent.capsule_compiler.plan import Node, Plan
from somagent.governance.cel import Type
from somagent.operators.runner.artifacts import holds_artifacts
from somagent.operators.runner.expressions import Expression, ReadyTemplate

if TYPE_CHECKING:
    from somagent.operators.runner.output_check import OutputCheck


class ReadyNode:
    """A node; each part is made when it is first used."""

    def __init__(self, node: Node, plan: Plan, *, final: bool) -> None:
        self.node = node
        self.final = final
        self._plan = plan

    @cached_property
    def guard(self) -> Expression | None:
        """`if`."""
        return Expression(self.node.guard) if self.node.guard else None

    @cached_property
    def require(self) -> Expression | None:
        """`require`."""
        return Expression(self.node.require) if self.node.require else None

    @cached_property
    def arguments(self) -> ReadyTemplate:
        """The operator's arguments."""
        return ReadyTemplate(self.node.arguments)

    @cached_property
    def items(self) -> ReadyTemplate | None:
        """The fan-out's list."""
        return ReadyTemplate(self.node.fan_out.items) if self.node.fan_out else None

    @cached_property
    def output_types(self) -> dict[str, Type]:
        """Type of each output in expressions."""
        return {name: type_of_schema(schema, self._plan.types) for name, schema in self.node.outputs.items()}

    @cached_property
    def outputs_with_artifacts(self) -> dict[str, Mapping[str, Any]]:
        """Schema of each output that is an artifact, or has some inside."""
        return {name: schema for name, schema in self.node.outputs.items() if holds_artifacts(schema)}

    @cached_property
    def output_check(self) -> OutputCheck:
        """What outputs are held against."""
        from somagent.operators.runner.output_check import OutputCheck  # noqa: PLC0415 - 15 MB, and only some have any

        return OutputCheck(self.node.outputs, self._plan.types, self.output_types)


class ReadyPlan:
    """A plan and its nodes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes = {node.id: ReadyNode(node, plan, final=False) for node in plan.nodes}
        self.nodes |= {node.id: ReadyNode(node, plan, final=True) for node in plan.finals}

    @cached_property
    def input_types(self) -> dict[str, Type]:
        """Type of each input in expressions."""
        return {name: type_of_schema(schema, self.plan.types) for name, schema in self.plan.inputs.items()}

    @cached_property
    def outputs(self) -> dict[str, ReadyTemplate]:
        """The capsule's outputs."""
        return {name: ReadyTemplate(template) for name, template in self.plan.outputs.items()}


class _Same:
    """A plan as a cache key: this very object, which cannot change."""

    __slots__ = ("plan",)

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.plan is self.plan

    def __hash__(self) -> int:
        return id(self.plan)


def ready(plan: Plan) -> ReadyPlan:
    """The plan made ready, once for each plan that is at work."""
    return _ready(_Same(plan))


@lru_cache(maxsize=64)
def _ready(key: _Same) -> ReadyPlan:
    return ReadyPlan(key.plan)
