"""The marks of phases, verdicts and severities: each has its own shape, so that colour never speaks alone."""

from __future__ import annotations

from somagent.governance.verdict import Verdict
from somagent.operators.runner.records import Phase
from somagent.workflows.report.markup import Html, join, tag
from somagent.workflows.report.words import EFFECTS, PHASES

_DISC = '<circle cx="8" cy="8" r="7.25" fill="currentColor"/>'
_RING = '<circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5"/>'
_SHAPES = {
    "ok": _DISC + '<path class="cut" d="M4.9 8.3l2.2 2.2 4.1-4.7"/>',
    "bad": _DISC + '<path class="cut" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2"/>',
    "wait": _DISC + '<path class="cut" d="M6.2 5.2v5.6M9.8 5.2v5.6"/>',
    "run": _RING + '<path fill="currentColor" d="M6.5 5v6l4.5-3z"/>',
    "idle": _RING.replace("/>", ' stroke-dasharray="2 2"/>'),
    "skip": _RING + '<path class="line" d="M5 5.5L7.5 8 5 10.5M8.5 5.5L11 8l-2.5 2.5"/>',
    "omit": _RING + '<path class="line" d="M3.6 12.4l8.8-8.8"/>',
    "stop": _DISC + '<path class="hole" d="M5.4 5.4h5.2v5.2H5.4z"/>',
}


def symbols() -> Html:
    """The shapes, once in the page; `icon` and the graph refer to them."""
    shapes = (
        Html(f'<symbol id="i-{name}" viewBox="0 0 16 16">{shape}</symbol>') for name, shape in sorted(_SHAPES.items())
    )
    return tag("svg", *shapes, class_="symbols", width=0, height=0, aria_hidden="true", focusable="false")


def icon(name: str) -> Html:
    """A mark beside its word."""
    return Html(f'<svg class="icon p-{name}" aria-hidden="true" focusable="false"><use href="#i-{name}"/></svg>')


def phase(value: Phase) -> Html:
    """A phase as mark and word."""
    name, meaning = PHASES[value]
    return tag("span", icon(name), value, class_=f"phase p-{name}", title=meaning)


def effect(verdict: Verdict | None) -> Html:
    """A verdict's effect as a pill."""
    if verdict is None:
        return tag("span", "no verdict yet", class_="note")
    name, meaning = EFFECTS[verdict.effect]
    return join([tag("span", verdict.effect, class_=f"pill p-{name}", title=meaning)])
