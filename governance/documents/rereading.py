"""Reads a document again after a change inside one entry of a large mapping: the rest of its tree only moves.

The entry is read alone, and only where that surely gives what reading the whole would give: the change lies within the
entry's lines; all of them but comments are indented deeper than its key, so nothing ends the mapping or the document;
and the entry by itself is sound, so no quote or bracket stays open. Everything else is read from the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from somagent.governance.documents.diagnostic import Diagnostic
from somagent.governance.documents.nodes import Entry, MappingNode, Node, Path, ScalarNode, SequenceNode, node_at
from somagent.governance.documents.source import Source, Span
from somagent.governance.documents.yaml_reader import MAX_DEPTH, read_yaml

_OTHER_BREAK = re.compile("\r(?!\n)|[\x85\u2028\u2029]")  # ends a line of YAML too, but none of those counted here
Read = tuple[Node | None, list[Diagnostic]]


class Before(NamedTuple):
    """A document as it was read without a mistake."""

    source: Source
    root: Node


def reread_yaml(source: Source, before: Before | None, at: Path) -> Read:
    """The same as `read_yaml`, in less time when the change lies inside an entry of the mapping at a path."""
    root = _reread(source, before, at) if before is not None else None
    return (root, []) if root is not None else read_yaml(source)


def _reread(source: Source, before: Before, at: Path) -> Node | None:
    old, new = before.source.text, source.text
    mapping = node_at(before.root, at)
    if _OTHER_BREAK.search(new):
        return None
    if not isinstance(mapping, MappingNode) or old[mapping.span.start : mapping.span.start + 1] == "{":
        return None
    start, end = _changed(old, new)
    keys = [entry.key for entry in mapping.entries.values()]
    index = next((index for index, key in enumerate(keys) if key.span.start > start), len(keys)) - 1
    if index < 0 or index + 1 >= len(keys):
        return None
    key, moved = keys[index], len(new) - len(old)
    first = old.rfind("\n", 0, key.span.start) + 1
    after = old.rfind("\n", 0, keys[index + 1].span.start) + 1
    indent = key.span.start - first
    if end > after or start < key.span.start or old[first : key.span.start].strip(" "):
        return None
    text = new[first : after + moved + indent]  # up to the next key: what is empty stands there
    if not re.fullmatch(rf" {{{indent}}}[^\n]*\n(?: {{{indent + 1}}}[^\n]*\n| *#[^\n]*\n| *\r?\n)* {{{indent}}}", text):
        return None
    part, found = read_yaml(Source(source.name, text), MAX_DEPTH - len(at))
    if found or not isinstance(part, MappingNode) or len(part.entries) != 1:
        return None
    ((name, entry),) = part.entries.items()
    if name != key.text or entry.key.span.start != indent:
        return None
    change = _Change(key, after, moved, _shifted(entry, first))
    return _rebuilt(before.root, change)


def _changed(old: str, new: str) -> tuple[int, int]:
    """The smallest range of the old text outside of which nothing has changed."""
    most = min(len(old), len(new))
    start = _longest(most, lambda length: old.startswith(new[:length]))
    same = _longest(most - start, lambda length: old.endswith(new[len(new) - length :]))
    return start, len(old) - same


def _longest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest length up to `most` that holds, where all smaller ones hold too."""
    low = 0
    while low < most:
        middle = (low + most + 1) // 2
        low, most = (middle, most) if holds(middle) else (low, middle - 1)
    return low


class _Change(NamedTuple):
    key: ScalarNode  # of the entry that was read again
    end: int  # of its lines, where what follows has moved
    moved: int
    entry: Entry  # that stands in its place


def _rebuilt(node: Node, change: _Change) -> Node:
    """The tree after the change: what stands before it is the same, what stands behind it has moved."""
    if node.span.end <= change.key.span.start:
        return node
    if node.span.start >= change.end:
        return _moved(node, change.moved)
    span = Span(node.span.start, node.span.end + change.moved)
    if isinstance(node, SequenceNode):
        return SequenceNode(span, [_rebuilt(item, change) for item in node.items])
    if isinstance(node, MappingNode):
        return MappingNode(span, {name: _rebuilt_entry(entry, change) for name, entry in node.entries.items()})
    return node


def _rebuilt_entry(entry: Entry, change: _Change) -> Entry:
    if entry.key is change.key:
        return change.entry
    if entry.key.span.start >= change.end:
        return _shifted(entry, change.moved)
    value = _rebuilt(entry.value, change)
    return entry if value is entry.value else Entry(entry.key, value)


def _moved(node: Node, by: int) -> Node:
    span = Span(node.span.start + by, node.span.end + by)
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, node.text, span)
    if isinstance(node, SequenceNode):
        return SequenceNode(span, [_moved(item, by) for item in node.items])
    return MappingNode(span, {name: _shifted(entry, by) for name, entry in node.entries.items()})


def _shifted(entry: Entry, by: int) -> Entry:
    key = entry.key
    return Entry(ScalarNode(key.value, key.text, Span(key.span.start + by, key.span.end + by)), _moved(entry.value, by))
