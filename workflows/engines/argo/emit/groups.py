"""Splits a graph so that no DAG has more tasks than Argo takes: groups of steps that only ever wait for earlier groups.

Steps that belong together stay together: a group is a stretch of an order in which every step stands as close behind
what it needs as it can. So two chains of 150 steps are two groups that run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from somagent.capsule_compiler.plan import Edge

MOST_TASKS = 200  # dag.tasks, by the CRDs of Argo 4
_ROOM = 10  # for tasks that are ours


class Task(Protocol):
    """A step, or several that share a pod."""

    @property
    def id(self) -> str: ...
    @property
    def needs(self) -> Sequence[Edge]: ...


T = TypeVar("T", bound=Task)


class Group(NamedTuple, Generic[T]):
    """Steps of one DAG; `needs` are the groups, by number, that must have ended before."""

    nodes: Sequence[T]
    needs: frozenset[int]


def grouped(nodes: Sequence[T], most: int = MOST_TASKS - _ROOM) -> list[Group[T]]:
    """The steps, topologically ordered as they are given, in groups of at most `most`; one group when they fit.

    What they need and is not among them has ended before.
    """
    if len(nodes) <= most:
        return [Group(nodes, frozenset())]
    ordered = list(_depth_first(nodes))
    parts = [ordered[start : start + most] for start in range(0, len(ordered), most)]
    home = {node.id: number for number, part in enumerate(parts) for node in part}
    return [
        Group(part, frozenset(home[edge.step] for node in part for edge in node.needs if edge.step in home) - {number})
        for number, part in enumerate(parts)
    ]


def _depth_first(nodes: Sequence[T]) -> Iterator[T]:
    """A topological order in which what a step lets begin comes right after it."""
    left = dict.fromkeys((node.id for node in nodes), 0)
    dependents: dict[str, list[T]] = {}
    for node in nodes:
        for step in {edge.step: None for edge in node.needs if edge.step in left}:
            left[node.id] += 1
            dependents.setdefault(step, []).append(node)
    stack = [node for node in reversed(nodes) if not left[node.id]]
    while stack:
        node = stack.pop()
        yield node
        for after in reversed(dependents.get(node.id, [])):
            left[after.id] -= 1
            if not left[after.id]:
                stack.append(after)
