"""Mermaid flowcharts (https://mermaid.js.org/syntax/flowchart.html), which GitHub and many others draw in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise

from somagent.workflows.graph.boxes import FINALLY, Box, Graph, Shape

MOST_EDGES = 500
"""What Mermaid draws unless it is told otherwise (`maxEdges` in its configuration)."""

_SHAPES: dict[Shape, tuple[str, str]] = {
    "step": ("[", "]"),
    "gate": ("{{", "}}"),
    "fan-out": ("([", "])"),
    "capsule": ("[[", "]]"),
}
_MARKED = re.compile(r"[^A-Za-z0-9 .,_/()=+·\u00c0-\U0010ffff-]")


def mermaid(graph: Graph) -> str:
    """The graph as a document of Mermaid."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    if graph.name:
        yield from ("---", f"title: {json.dumps(graph.name, ensure_ascii=False)}", "---")
    yield "flowchart TD"
    finals = graph.finals
    inner = "    " if finals else "  "
    if finals:
        yield from ('  subgraph steps[" "]', "    direction TD")
    for box in graph.steps:
        yield inner + _box(box)
    for (start, end), kind in graph.edges.items():
        yield f"{inner}{_id(start)} {'-.->' if kind == 'order' else '-->'} {_id(end)}"
    if finals:
        yield "  end"
        yield from (f'  subgraph finally["{_escaped(FINALLY)}"]', "    direction TD")
        for box in finals:
            yield inner + _box(box)
        for start, end in pairwise(box.id for box in finals):
            yield f"{inner}{_id(start)} -.-> {_id(end)}"
        yield "  end"
        yield "  steps -.-> finally"
    guarded = [_id(box.id) for box in graph.boxes if box.guarded]
    if guarded:
        yield "  classDef guarded stroke-dasharray: 5 3"
        yield f"  class {','.join(guarded)} guarded"


def _box(box: Box) -> str:
    opening, closing = _SHAPES[box.shape]
    first, *rest = (_escaped(line) for line in (box.id, *box.lines))
    return f'{_id(box.id)}{opening}"{"<br/>".join([f"<b>{first}</b>", *rest])}"{closing}'


def _id(step: str) -> str:
    """An id that is no word of Mermaid's, as `end` is."""
    return f"step_{step}"


def _escaped(text: str) -> str:
    """Everything that could mean something is written by its number, as Mermaid reads entities."""
    return _MARKED.sub(lambda match: f"#{ord(match.group())};", text)
