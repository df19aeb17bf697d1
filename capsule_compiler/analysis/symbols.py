"""The outline of a capsule: inputs, steps with their outputs, what it gives, its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from somagent.capsule_compiler.analysis.analysis import Analysis
from somagent.capsule_compiler.draft import FINALLY, STEPS, Draft
from somagent.governance.documents import Entry, MappingNode, Path, ScalarNode, Span, node_at

SymbolKind = Literal["section", "step", "field", "type"]


class Symbol(NamedTuple):
    """A line of the outline: `span` is all of it, `name_span` the name alone."""

    name: str
    detail: str
    kind: SymbolKind
    span: Span
    name_span: Span
    children: tuple[Symbol, ...] = ()


_SECTIONS: tuple[tuple[Path, SymbolKind], ...] = (
    (("spec", "uses"), "field"),
    (("spec", "inputs"), "field"),
    (STEPS, "step"),
    (("spec", "outputs"), "field"),
    (FINALLY, "step"),
    (("spec", "types"), "type"),
)


def symbols(analysis: Analysis) -> list[Symbol]:
    """The outline of the last text that could be read."""
    found = []
    for path, kind in _SECTIONS:
        entry = _entry(analysis.known, path)
        if entry is not None and isinstance(entry.value, MappingNode):
            children = tuple(_members(analysis.known, entry.value, path, kind))
            found.append(_symbol(str(path[-1]), "", "section", entry, children))
    return sorted(found, key=lambda one: one.span)


def _members(draft: Draft, node: MappingNode, path: Path, kind: SymbolKind) -> Iterator[Symbol]:
    for name, entry in node.entries.items():
        children: tuple[Symbol, ...] = ()
        if kind == "step":
            outputs = _entry(draft, (*path, name, "outputs"))
            if outputs is not None and isinstance(outputs.value, MappingNode):
                children = tuple(_members(draft, outputs.value, (*path, name, "outputs"), "field"))
        yield _symbol(name, _detail(draft, name, entry, kind), kind, entry, children)


def _detail(draft: Draft, name: str, entry: Entry, kind: SymbolKind) -> str:
    if kind == "step":
        step = draft.steps.get(name)
        return step.operation.operator if step is not None else ""
    if isinstance(entry.value, ScalarNode):
        return entry.value.text.strip().split("\n")[0][:80]
    stated = entry.value.entries.get("type") if isinstance(entry.value, MappingNode) else None
    return stated.value.text if stated is not None and isinstance(stated.value, ScalarNode) else ""


def _entry(draft: Draft, path: Path) -> Entry | None:
    parent = node_at(draft.root, path[:-1]) if draft.root is not None else None
    return parent.entries.get(str(path[-1])) if isinstance(parent, MappingNode) else None


def _symbol(name: str, detail: str, kind: SymbolKind, entry: Entry, children: tuple[Symbol, ...]) -> Symbol:
    end = max(entry.value.span.end, entry.key.span.end)
    return Symbol(name or '""', detail, kind, Span(entry.key.span.start, end), entry.key.span, children)
