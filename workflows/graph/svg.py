"""SVG that needs nothing but a browser, light or dark as its reader likes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from somagent.workflows.graph.boxes import FINALLY, Box, Graph
from somagent.workflows.layout.picture import CHAR, HEIGHT, MARGIN, MORE, SMALL, WIDTH, Picture, fit
from somagent.workflows.report.markup import Html, join, tag

MOST_STEPS = 1_000
"""More boxes than this are no picture any more."""

_STYLE = """
:root{--card:#fff;--paper:#f7f7f5;--ink:#1c2127;--soft:#565f6b;--line:#c9ccc7;--gate:#8f5a00;--many:#3b55c9;--other:#7a4698}
@media(prefers-color-scheme:dark){:root{--card:#181c22;--paper:#101317;--ink:#e7eaee;--soft:#a3adba;--line:#3a424d;
--gate:#e5b04a;--many:#93a8ff;--other:#c79be0}}
svg{background:var(--paper);font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Arial,sans-serif}
.box{fill:var(--card);stroke:var(--line);stroke-width:1.25}
.gate .box{stroke:var(--gate)}.fan-out .box{stroke:var(--many)}.capsule .box{stroke:var(--other)}
.guarded .box{stroke-dasharray:6 4}
.name{font:600 12px ui-monospace,"SF Mono","Cascadia Mono","DejaVu Sans Mono",Menlo,Consolas,monospace;fill:var(--ink)}
.small{font-size:11.5px;fill:var(--soft)}
.edge{fill:none;stroke:var(--soft);stroke-opacity:.6;stroke-width:1.25}.edge.order{stroke-dasharray:4 4}
.arrow{fill:var(--soft)}.divider{stroke:var(--line);stroke-dasharray:2 4}
"""
_MARKER = Html(
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="9" markerHeight="9"'
    ' markerUnits="userSpaceOnUse" orient="auto"><path class="arrow" d="M0 .8L7 4 0 7.2z"/></marker></defs>'
)
_TEXT = 16  # where texts begin in a box
_ROOM = (WIDTH - 2 * _TEXT) / SMALL  # characters of a line
_LINES = 2  # of one condition


def svg(graph: Graph) -> str:
    """The graph as a document of SVG."""
    lines = {box.id: [part for line in box.lines for part in _wrapped(line)] for box in graph.boxes}
    picture = Picture(
        [box.id for box in graph.steps],
        [box.id for box in graph.finals],
        graph.edges,
        lambda name: HEIGHT + MORE * (len(lines[name]) - 1),
    )
    width, height = picture.size
    count = len(graph.boxes)
    drawn = tag(
        "svg",
        tag("title", graph.name or "Steps", id="title"),
        tag("desc", f"{count:,} step{'' if count == 1 else 's'}; arrows lead to those that wait.", id="text"),
        Html(f"<style>{_STYLE}</style>"),
        _MARKER,
        _divider(picture, width, height),
        *_arrows(picture),
        *(_box(box, lines[box.id], picture) for box in graph.boxes),
        xmlns="http://www.w3.org/2000/svg",
        width=round(width),
        height=round(height),
        viewBox=f"0 0 {round(width)} {round(height)}",
        role="img",
        aria_labelledby="title text",
    )
    return f"{drawn}\n"


def _arrows(picture: Picture) -> Iterator[Html]:
    for (start, end), edges in picture.segments().items():
        kind = "data" if any(picture.kinds[edge] == "data" for edge in edges) else "order"
        marker = "url(#arrow)" if isinstance(end, str) else None
        yield tag("path", class_=f"edge {kind}", d=picture.path(start, end), marker_end=marker)


def _divider(picture: Picture, width: float, height: float) -> Html:
    at = picture.before_finals()
    if at is None:
        return Html("")
    if picture.down:
        line = tag("line", x1=MARGIN, x2=round(width - MARGIN), y1=at, y2=at, class_="divider")
        return join([line, tag("text", FINALLY, x=MARGIN, y=at + 15, class_="small")])
    line = tag("line", y1=MARGIN, y2=round(height - MARGIN), x1=at, x2=at, class_="divider")
    return join([line, tag("text", FINALLY, x=at + 6, y=MARGIN + 2, class_="small")])


def _wrapped(text: str) -> list[str]:
    """The text over a few lines, broken at blanks; what a condition compares with stands at its end."""
    lines: list[str] = []
    for word in text.split(" "):
        together = f"{lines[-1]} {word}" if lines else word
        if lines and (_fits(together) or len(lines) == _LINES or not _fits(word)):
            lines[-1] = together
        else:
            lines.append(word)
    return [fit(line, _ROOM) for line in lines]


def _fits(text: str) -> bool:
    return fit(text, _ROOM) == text


def _box(box: Box, lines: Sequence[str], picture: Picture) -> Html:
    x, y = picture.corner(box.id)
    high = HEIGHT + MORE * (len(lines) - 1)
    behind = tag("rect", x=4, y=4, width=WIDTH, height=high, rx=9, class_="box")
    return tag(
        "g",
        tag("title", "; ".join((box.id, *box.lines))),
        behind if box.shape == "fan-out" else Html(""),
        _outline(box, high),
        tag("text", fit(box.id, (WIDTH - 2 * _TEXT) / CHAR), x=_TEXT, y=24, class_="name"),
        *(tag("text", line, x=_TEXT, y=43.5 + MORE * number, class_="small") for number, line in enumerate(lines)),
        class_=f"{box.shape}{' guarded' if box.guarded else ''}",
        transform=f"translate({x:.1f} {y:.1f})",
    )


def _outline(box: Box, high: int) -> Html:
    if box.shape == "gate":  # pointed at both sides, as a hexagon is
        points = f"10,0 {WIDTH - 10},0 {WIDTH},{high / 2:g} {WIDTH - 10},{high} 10,{high} 0,{high / 2:g}"
        return Html(f'<polygon class="box" points="{points}"/>')
    outline = tag("rect", width=WIDTH, height=high, rx=9, class_="box")
    if box.shape == "capsule":
        inner = tag("rect", x=4, y=4, width=WIDTH - 8, height=high - 8, rx=6, class_="box")
        return join([outline, inner])
    return outline
