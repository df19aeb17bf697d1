"""Steps that share a pod: a pod takes seconds to start, and many steps take less.

What may share is what asks for nothing of its own (no image, resources, secrets, items, people); a capsule all of whose
steps do is run by one pod. Nothing waits for the
company that it is in, but for moments: a step joins those before it when it needs nothing that these did not wait for,
and what is not short joins only where nobody else waits for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from somagent.capsule_compiler.plan import Edge, Node, Plan

MOST = 20  # steps of a pod, so that one that is lost is not much work
_SHORT_MS = 60_000
_LIGHT = frozenset({"policy", "bundle"})


class Unit(Struct, frozen=True):
    """Steps of one pod, in an order in which they can run; `needs` are other units, by the id of their first step."""

    nodes: Sequence[Node]
    needs: Sequence[Edge]

    @property
    def id(self) -> str:
        """That of the first step."""
        return self.nodes[0].id


def alone(nodes: Sequence[Node]) -> list[Unit]:
    """Each by itself."""
    return [Unit([node], node.needs) for node in nodes]


def fused(nodes: Sequence[Node], asks_for_nothing: Callable[[Node], bool]) -> list[Unit]:
    """The steps, topologically ordered as they are given, in units; `asks_for_nothing` says which may share a pod."""
    order = _Order(nodes)
    units: list[list[Node]] = []
    home: dict[str, int] = {}
    waits: list[set[int]] = []  # of each unit, for which units
    open_to_more: list[bool] = []
    for node in nodes:
        needs = {home[edge.step] for edge in node.needs if edge.step in home}
        may = asks_for_nothing(node)
        candidates = (unit for unit in sorted(needs) if may and open_to_more[unit] and needs <= waits[unit] | {unit})
        joined = next(candidates, None)
        if joined is None or not _fits(node, units[joined], order):
            joined = len(units)
            units.append([])
            waits.append(needs)
            open_to_more.append(may)
        units[joined].append(node)
        home[node.id] = joined
    return [
        Unit(unit, [Edge(step=units[one][0].id, kind="order") for one in sorted(waits[number])])
        for number, unit in enumerate(units)
    ]


class _Order:
    """Which step comes after which, directly and in the end."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.dependents: dict[str, list[str]] = {}
        self._bit = {node.id: 1 << number for number, node in enumerate(nodes)}
        self._before: dict[str, int] = {}
        for node in nodes:
            before = 0
            for edge in node.needs:
                if edge.step in self._bit:
                    self.dependents.setdefault(edge.step, []).append(node.id)
                    before |= self._bit[edge.step] | self._before[edge.step]
            self._before[node.id] = before

    def waits_for(self, step: str, other: str) -> bool:
        """Whether the step begins after the other one has ended, by whatever way."""
        return step == other or bool(self._before[step] & self._bit[other])


class Wants:
    """What steps ask for; `asks` says whether people may be asked in a step of a plan."""

    def __init__(self, root: Plan, asks: Callable[[Plan, Node], bool]) -> None:
        self._root, self._asks = root, asks
        self._capsules: dict[str, bool] = {}

    def nothing(self, plan: Plan, node: Node) -> bool:
        """Whether the step asks for nothing of its own: no items, secrets or people, and nothing of its pod."""
        if node.fan_out is not None or node.secrets or self._asks(plan, node):
            return False
        if node.capsule:
            return self.nothing_inside(node)
        return not _has_its_own(node) if node.operator == "script" else node.operator in _LIGHT

    def of_others(self, plan: Plan, node: Node) -> bool:
        """Whether the step, or one inside it, asks for people, or for an image, resources or secrets."""
        if self._asks(plan, node):
            return True
        if node.capsule:
            child = self._root.capsules[node.capsule]
            return any(self.of_others(child, one) for one in (*child.nodes, *child.finals))
        return bool(node.secrets) or _has_its_own(node)

    def nothing_inside(self, node: Node) -> bool:
        """Whether no step of the step's capsule does: then the whole runs in one pod."""
        if node.capsule not in self._capsules:
            child = self._root.capsules[node.capsule]
            self._capsules[node.capsule] = all(self.nothing(child, one) for one in (*child.nodes, *child.finals))
        return self._capsules[node.capsule]


def _has_its_own(node: Node) -> bool:
    """Whether it is a script with an image or resources."""
    arguments = node.arguments.value
    return node.operator == "script" and isinstance(arguments, dict) and any(map(arguments.get, ("image", "resources")))


def _is_short(node: Node) -> bool:
    return node.operator in _LIGHT or node.timeout_ms <= _SHORT_MS


def _fits(node: Node, unit: Sequence[Node], order: _Order) -> bool:
    """Whoever waits for a step of the unit waits for all of it: nobody shall for what takes its time."""
    if len(unit) >= MOST:
        return False
    inside = {one.id for one in unit}
    return _is_short(node) or all(
        dependent in inside or order.waits_for(dependent, node.id)
        for one in unit
        for dependent in order.dependents.get(one.id, ())
    )
