"""A plan's steps as a picture: Mermaid for documents, DOT for Graphviz, SVG to look at.

What is shown comes from the capsule, so every text is somebody else's: each format escapes it so that it can be nothing
but text there. The same plan gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from somagent.capsule_compiler.plan import Plan
from somagent.workflows.graph.boxes import Graph, graph_of
from somagent.workflows.graph.dot import dot
from somagent.workflows.graph.mermaid import mermaid
from somagent.workflows.graph.svg import MOST_STEPS, svg

__all__ = ["FORMATS", "MOST_STEPS", "Graph", "graph_of", "render_graph"]

FORMATS: Mapping[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}


def render_graph(plan: Plan, format_: str) -> str:
    """The graph of a plan in one of `FORMATS`; an SVG of more than `MOST_STEPS` steps is not to be asked for."""
    return FORMATS[format_](graph_of(plan))
