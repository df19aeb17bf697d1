"""What a graph shows of a plan, whatever it is drawn with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan

EdgeKind = Literal["data", "order"]
Shape = Literal["step", "gate", "fan-out", "capsule"]

LONGEST = 60  # characters of a condition that are shown
FINALLY = "finally: runs when all else has ended"

# What no reader could see, or what would turn the direction of writing; XML forbids most of it.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]")


class Box(Struct, frozen=True):
    """One step. `lines` stand below its id."""

    id: str
    shape: Shape
    lines: Sequence[str]
    guarded: bool  # it may be skipped
    final: bool


class Graph(Struct, frozen=True):
    """The steps in topological order, those of `finally` last, and who waits for whom."""

    name: str
    boxes: Sequence[Box]
    edges: Mapping[tuple[str, str], EdgeKind]

    @property
    def steps(self) -> Sequence[Box]:
        """Those that are not of `finally`."""
        return [box for box in self.boxes if not box.final]

    @property
    def finals(self) -> Sequence[Box]:
        """Those of `finally`, in their order."""
        return [box for box in self.boxes if box.final]


def graph_of(plan: Plan) -> Graph:
    """The graph of a plan."""
    boxes = [_box(node, plan, final=False) for node in plan.nodes]
    boxes += [_box(node, plan, final=True) for node in plan.finals]
    edges: dict[tuple[str, str], EdgeKind] = {}
    for node in plan.nodes:
        for edge in node.needs:
            if edges.get((edge.step, node.id)) != "data":
                edges[edge.step, node.id] = edge.kind
    name = " ".join(part for part in (plan.capsule.name, plan.capsule.version) if part)
    return Graph(shown(name), boxes, edges)


def shown(text: str, longest: int = 200) -> str:
    """The text in one line, signs that nobody sees by their number, not longer than it may be."""
    line = " ".join(text.split())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    return _UNSEEN.sub(lambda match: f"\\u{{{ord(match.group()):04X}}}", line)


def _box(node: Node, plan: Plan, *, final: bool) -> Box:
    lines = [node.operator]
    shape: Shape = "gate" if node.gate else "step"
    if node.capsule:
        shape = "capsule"
        inner = plan.capsules.get(node.capsule)
        if inner is not None:
            count = len(inner.nodes) + len(inner.finals)
            lines[0] += f" {inner.capsule.name}, {count} step{'' if count == 1 else 's'}"
    if node.fan_out is not None:
        shape = "fan-out" if shape == "step" else shape
        limit = f", {node.fan_out.max_parallel} at once" if node.fan_out.max_parallel else ""
        each = f"for each {node.fan_out.name}{limit}"
        lines = [*lines, each] if node.capsule else [f"{lines[0]} · {each}"]
    if node.guard:
        lines.append(f"if {node.guard}")
    if node.require:
        lines.append(f"requires {node.require}")
    return Box(node.id, shape, [shown(line, LONGEST) for line in lines], bool(node.guard), final)
