"""DOT, the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from somagent.workflows.graph.boxes import FINALLY, Box, Graph, Shape

_SHAPES: dict[Shape, str] = {"step": "box", "gate": "hexagon", "fan-out": "box3d", "capsule": "component"}


def dot(graph: Graph) -> str:
    """The graph as a document of DOT."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield f"digraph {_quoted(graph.name)} {{"
    yield '  graph [rankdir=TB, compound=true, fontname="Helvetica"]'
    yield '  node [shape=box, style=rounded, fontname="Helvetica", fontsize=11]'
    yield '  edge [fontname="Helvetica", fontsize=9]'
    for box in graph.steps:
        yield f"  {_box(box)}"
    for (start, end), kind in graph.edges.items():
        yield f"  {_quoted(start)} -> {_quoted(end)}{' [style=dashed]' if kind == 'order' else ''}"
    finals = graph.finals
    if finals:
        yield "  subgraph cluster_finally {"
        yield f"    label={_quoted(FINALLY)}"
        yield '    style=dashed; fontname="Helvetica"; fontsize=11'
        for box in finals:
            yield f"    {_box(box)}"
        for start, end in pairwise(box.id for box in finals):
            yield f"    {_quoted(start)} -> {_quoted(end)} [style=dashed]"
        yield "  }"
        for name in _last(graph):
            yield f"  {_quoted(name)} -> {_quoted(finals[0].id)} [style=invis, lhead=cluster_finally]"
    yield "}"


def _box(box: Box) -> str:
    rounded = "rounded" if box.shape == "step" else "solid"
    style = '"rounded,dashed"' if box.guarded and box.shape == "step" else "dashed" if box.guarded else rounded
    label = "\\n".join(_escaped(line) for line in (box.id, *box.lines))
    return f'{_quoted(box.id)} [label="{label}", shape={_SHAPES[box.shape]}, style={style}]'


def _last(graph: Graph) -> list[str]:
    """The steps that no other one waits for."""
    waited = {start for start, _ in graph.edges}
    return [box.id for box in graph.steps if box.id not in waited]


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Backslashes begin escapes, and `&` begins entities, of HTML."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
