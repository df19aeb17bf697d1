"""`somagent graph`: the steps of a capsule as a picture."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from somagent.cli.compiling import installed, planned
from somagent.cli.exits import UserError
from somagent.workflows.graph import MOST_STEPS, graph_of, render_graph
from somagent.workflows.graph.mermaid import MOST_EDGES

_OF_SUFFIX = {".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg"}


def run(arguments: Namespace) -> int:
    """Prints the graph, or writes it to the file that `-o` names."""
    target = Path(arguments.to) if arguments.to else None
    format_: str = arguments.format or _of_name(target)
    plan, _ = planned(arguments, installed())
    count = len(plan.nodes) + len(plan.finals)
    if format_ == "svg" and count > MOST_STEPS:
        raise UserError(
            f"a drawing of {count:,} steps shows nothing, so there is none beyond {MOST_STEPS:,};"
            " `--format dot` has every step, for Graphviz and other programs"
        )
    edges = len(graph_of(plan).edges)
    if format_ == "mermaid" and edges > MOST_EDGES:
        more = f"this graph has {edges:,}"
        sys.stderr.write(f"warning: Mermaid draws at most {MOST_EDGES} edges unless its `maxEdges` says more; {more}\n")
    drawn = render_graph(plan, format_)
    if target is None:
        sys.stdout.write(drawn)
        return 0
    try:
        target.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{target}`: {(error.strerror or str(error)).lower()}") from None
    return 0


def _of_name(target: Path | None) -> str:
    """The format that the name of the file says; raises `UserError` for one that is none of ours."""
    if target is None or not target.suffix:
        return "mermaid"
    found = _OF_SUFFIX.get(target.suffix.lower())
    if found is None:
        known = ", ".join(_OF_SUFFIX)
        raise UserError(f"`{target.name}` is of no format that is drawn here ({known}); or say `--format`")
    return found
