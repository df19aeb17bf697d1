"""What a notebook shows of a run: its state in words, and its graph.

The graph is an image, because a style in a notebook's page would be everybody's: nothing of it reaches other cells.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime

from somagent.workflows.engines.protocol import RunView
from somagent.workflows.named_steps import waiting_steps
from somagent.workflows.plain_text import between
from somagent.workflows.report.graph_svg import MOST_STEPS, document
from somagent.workflows.report.markup import Html, block, said, tag
from somagent.workflows.report.timing import measure


def framed(words: str, svg: str, below: str = "") -> str:
    """A line of words, and below it the drawing, if there is one."""
    drawn = Html("")
    if svg:
        data = base64.b64encode(svg.encode()).decode()
        drawn = tag("img", src=f"data:image/svg+xml;base64,{data}", alt="Step graph", style="max-width:100%")
    return tag("div", tag("p", said(words)), block(below) if below else "", drawn)


def run_picture(view: RunView, why: Sequence[str] = ()) -> str:
    """The run as it stands, as HTML."""
    took = between(view.started_at, view.ended_at)
    words = f"{view.run.capsule} {view.run.id}: {view.phase}" + (f" in {took}" if took else "")
    asked = [f"{one.name}: {one.step.waiting.title}" for one in waiting_steps(view) if one.step.waiting is not None]
    svg = document(view, measure(view, datetime.now(UTC))) if 0 < len(view.steps) <= MOST_STEPS else ""
    return framed(words, svg, "\n".join(why or asked))
