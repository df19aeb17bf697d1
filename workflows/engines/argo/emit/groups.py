"""Splits a graph so that no DAG has more tasks than Argo takes: groups of steps that only ever wait for earlier groups.

Steps that belong together stay together: what no need connects is not cut where it fits into a group, and what is
larger is cut in an order in which every step stands as close behind what it needs as it can. So ten chains of 100 steps
are ten groups that run side by side.
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
    parts = _packed(list(_apart(nodes)), most)
    home = {node.id: number for number, part in enumerate(parts) for node in part}
    return [
        Group(part, frozenset(home[edge.step] for node in part for edge in node.needs if edge.step in home) - {number})
        for number, part in enumerate(parts)
    ]


def _packed(pieces: Sequence[Sequence[T]], most: int) -> list[Sequence[T]]:
    """Pieces that have nothing to do with each other, whole where they fit: a group waits for all of another one."""
    parts: list[list[T]] = []
    for piece in pieces:
        if parts and len(parts[-1]) + len(piece) <= most:
            parts[-1] += piece
        else:
            parts += [list(piece[start : start + most]) for start in range(0, len(piece), most)]
    return list(parts)


def _apart(nodes: Sequence[T]) -> Iterator[Sequence[T]]:
    """Steps that no need connects, each piece in its own order."""
    whole: dict[str, str] = {node.id: node.id for node in nodes}

    def root(step: str) -> str:
        while whole[step] != step:
            whole[step] = step = whole[whole[step]]
        return step

    for node in nodes:
        for edge in node.needs:
            if edge.step in whole:
                whole[root(edge.step)] = root(node.id)
    pieces: dict[str, list[T]] = {}
    for node in _depth_first(nodes):
        pieces.setdefault(root(node.id), []).append(node)
    yield from pieces.values()


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
