"""A document as it was written: plain values, each with its place.

A large document has very many nodes and no circles, so the garbage collector leaves them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from somagent.governance.documents.source import Span

Scalar = str | int | float | bool | None


class ScalarNode(Struct, gc=False, eq=False):
    """One value. `text` is what was written (decoded); `value` is what YAML 1.2 says it means."""

    value: Scalar
    text: str
    span: Span

    def plain(self) -> Any:
        """The value as Python has it."""
        return self.value


class SequenceNode(Struct, gc=False, eq=False):
    """A list."""

    span: Span
    items: list[Node] = []

    def plain(self) -> Any:
        """The list as Python has it."""
        return [item.plain() for item in self.items]


class Entry(Struct, frozen=True, gc=False, eq=False):
    """One `key: value` of a mapping."""

    key: ScalarNode
    value: Node


class MappingNode(Struct, gc=False, eq=False):
    """A mapping with text keys, in the order of the text."""

    span: Span
    entries: dict[str, Entry] = {}

    def plain(self) -> Any:
        """The mapping as Python has it."""
        return {key: entry.value.plain() for key, entry in self.entries.items()}


Node = ScalarNode | SequenceNode | MappingNode
Path = tuple[str | int, ...]


def node_at(root: Node, path: Path) -> Node | None:
    """The node at a path of keys and indices, if there is one."""
    node: Node = root
    for step in path:
        if type(node) is MappingNode:
            entry = node.entries.get(step)  # type: ignore[arg-type]  # an index is no key
            if entry is None:
                return None
            node = entry.value
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def key_at(root: Node, path: Path) -> ScalarNode | None:
    """The key at the end of a path of keys, if there is one."""
    parent = node_at(root, path[:-1])
    entry = parent.entries.get(str(path[-1])) if isinstance(parent, MappingNode) else None
    return entry.key if entry else None


def scalars(root: Node) -> Iterator[ScalarNode]:
    """Every value in the order of the text, keys left out."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, ScalarNode):
            yield node
        elif isinstance(node, SequenceNode):
            stack.extend(reversed(node.items))
        else:
            stack.extend(entry.value for entry in reversed(node.entries.values()))
