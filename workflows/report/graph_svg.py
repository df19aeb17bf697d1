"""The steps drawn as a graph: who needs whom, how each ended, how long it took and what the constitution said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from unicodedata import east_asian_width

from somagent.operators.runner.records import Phase
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.report.layout import Segment, Vertex, draw, layer_of
from somagent.workflows.report.markup import Html, join, tag
from somagent.workflows.report.timing import RunTimes
from somagent.workflows.report.words import EFFECTS, PHASES, counted, duration

MOST_STEPS = 1_000
"""More boxes than this are no picture any more; the timeline and the tables say it better."""

_WIDTH, _HEIGHT, _MORE = 256, 56, 20  # a box, and what a fan-out's box is higher
_GAP, _BETWEEN = 30, 52
_MARGIN = 16
_LEAST = 3  # of a bar's part, so that one of a thousand is seen
_PAGE = 1140  # a drawing this wide needs no scrolling on a desk
_CHAR = 7.25  # a character of a step's name, which is monospaced
_SMALL = 6.2  # about a character of the second line


def graph(view: RunView, times: RunTimes) -> Html:
    """The drawing in a frame that scrolls, or a sentence when there are too many steps."""
    if len(view.steps) > MOST_STEPS:
        return tag(
            "p",
            f"This run has {len(view.steps):,} steps. A drawing of more than {MOST_STEPS:,} boxes shows nothing, so"
            " there is none; the timeline and the tables below have every step.",
            class_="card note",
        )
    if not view.steps:
        return tag("p", "This capsule has no steps.", class_="card note")
    picture = _Picture(view, times)
    return tag("div", picture.svg(), class_="graph", tabindex="0", role="region", aria_label="Step graph")


class _Picture:
    """One drawing. Lengths are CSS pixels; `down` means that time goes down, else it goes right."""

    def __init__(self, view: RunView, times: RunTimes) -> None:
        self.view, self.times = view, times
        self.steps = {step.id: step for step in view.steps}
        self.number = {step.id: number for number, step in enumerate(view.steps)}
        self.kinds = _edges(view)
        self.critical = {(a.step, b.step) for a, b in pairwise(times.chain)}
        names = [node.id for node in view.plan.nodes if node.id in self.steps]
        layers = layer_of(names, list(self.kinds))
        self.down = _goes_down(layers)
        self.third = {step.id: list(self._third_line(step)) for step in view.steps}
        self.third = {name: line for name, line in self.third.items() if line}
        drawn = draw(layers, list(self.kinds), box=_WIDTH if self.down else _HEIGHT + _MORE, gap=_GAP)
        finals = [node.id for node in view.plan.finals if node.id in self.steps]
        self.extent = max(drawn.extent, _WIDTH) if finals else drawn.extent
        aside = (self.extent - drawn.extent) / 2
        self.centres: dict[Vertex, float] = {vertex: at + aside for vertex, at in drawn.centres.items()}
        self.centres.update(dict.fromkeys(finals, self.extent / 2))
        self.layers: list[Sequence[Vertex]] = [*drawn.layers, *([name] for name in finals)]
        self.first_final = len(drawn.layers)
        after = list(pairwise(finals))
        self.kinds.update(dict.fromkeys(after, "order"))
        self.routes = {**drawn.routes, **{edge: edge for edge in after}}
        self.place = {vertex: number for number, layer in enumerate(self.layers) for vertex in layer}
        self.bands = list(self._bands())

    def svg(self) -> Html:
        along = self.bands[-1][1] + _MARGIN
        across = self.extent + 2 * _MARGIN
        width, height = (across, along) if self.down else (along, across)
        counts = Counter(step.phase for step in self.view.steps)
        said = ", ".join(f"{number} {phase}" for phase, number in counts.items())
        return tag(
            "svg",
            tag("title", "Step graph", id="drawing-title"),
            tag(
                "desc",
                f"{counted(len(self.view.steps), 'step')} ({said}). Arrows lead from a step to those that need it."
                " The tables below say the same in words.",
                id="drawing-text",
            ),
            _MARKERS,
            self._finally_line(width, height),
            *self._edges(),
            *(self._box(step) for step in self.view.steps if step.id in self.centres),
            width=round(width),
            height=round(height),
            viewBox=f"0 0 {round(width)} {round(height)}",
            role="group",
            aria_labelledby="drawing-title drawing-text",
        )

    def _bands(self) -> Iterator[tuple[float, float]]:
        """Start and end of each layer along the drawing."""
        at: float = _MARGIN
        for number, layer in enumerate(self.layers):
            at += 18 if number == self.first_final and number else 0
            high = max((self._high(vertex) for vertex in layer if isinstance(vertex, str)), default=_HEIGHT)
            end = at + (high if self.down else _WIDTH)
            yield at, end
            at = end + (_BETWEEN if self.down else _BETWEEN + 20)

    def _high(self, vertex: str) -> int:
        return _HEIGHT + (_MORE if vertex in self.third else 0)

    def _edges(self) -> Iterator[Html]:
        """Every segment once; a segment that several edges share is drawn as the strongest of them."""
        drawn: dict[Segment, tuple[str, bool]] = {}
        for edge, kind in self.kinds.items():
            route = self.routes[edge]
            for segment in pairwise(route):
                known, critical = drawn.get(segment, ("order", False))
                drawn[segment] = ("data" if "data" in {known, kind} else "order", critical or edge in self.critical)
        for (start, end), (kind, critical) in sorted(drawn.items(), key=lambda item: item[1][1]):
            style = f"edge {kind}{' critical' if critical else ''}"
            marker = f"url(#arrow{'-critical' if critical else ''})" if isinstance(end, str) else None
            yield tag("path", class_=style, d=self._path(start, end), marker_end=marker)

    def _path(self, start: Vertex, end: Vertex) -> str:
        """A curve between two layers; at a way point it goes on straight through the layer."""
        a, b = self.centres[start] + _MARGIN, self.centres[end] + _MARGIN
        out, into = self._border(start, far=True), self._border(end, far=False)
        middle = (out + into) / 2
        points = [(a, out), (a, middle), (b, middle), (b, into)]
        if not isinstance(end, str):
            points.append((b, self.bands[self.place[end]][1]))
        first, *curve = [f"{x:.1f} {y:.1f}" if self.down else f"{y:.1f} {x:.1f}" for x, y in points]
        return f"M{first}C{' '.join(curve[:3])}" + "".join(f"L{point}" for point in curve[3:])

    def _border(self, vertex: Vertex, *, far: bool) -> float:
        start, end = self.bands[self.place[vertex]]
        if isinstance(vertex, str) and self.down:
            middle, half = (start + end) / 2, self._high(vertex) / 2
            start, end = middle - half, middle + half
        return end if far else start - 2 if isinstance(vertex, str) else start

    def _finally_line(self, width: float, height: float) -> Html:
        if self.first_final >= len(self.bands) or not self.first_final:
            return Html("")
        at = (self.bands[self.first_final - 1][1] + self.bands[self.first_final][0]) / 2
        label = "finally: runs when all else has ended"
        if self.down:
            line = tag("line", x1=_MARGIN, x2=round(width - _MARGIN), y1=at, y2=at, class_="divider")
            return join([line, tag("text", label, x=_MARGIN, y=at + 15, class_="small")])
        line = tag("line", y1=_MARGIN, y2=round(height - _MARGIN), x1=at, x2=at, class_="divider")
        return join([line, tag("text", label, x=at + 6, y=_MARGIN + 2, class_="small")])

    def _box(self, step: StepView) -> Html:
        start, end = self.bands[self.place[step.id]]
        high = self._high(step.id)
        centre = self.centres[step.id] + _MARGIN
        x, y = (centre - _WIDTH / 2, (start + end - high) / 2) if self.down else (start, centre - high / 2)
        return tag(
            "a",
            tag("title", _tooltip(step, self._took(step))),
            tag("rect", x=4, y=4, width=_WIDTH, height=high, rx=9, class_="behind") if step.items else Html(""),
            tag("rect", width=_WIDTH, height=high, rx=9, class_="box"),
            Html(f'<path class="stripe" d="M4.5 12v{high - 24}"/>'),
            Html(f'<use href="#i-{PHASES[step.phase][0]}" x="14" y="11" width="16" height="16"/>'),
            tag("text", _fit(step.id, (_WIDTH - 50) / _CHAR), x=38, y=24, class_="name"),
            *self._second_line(step),
            *self.third.get(step.id, ()),
            href=f"#s{self.number[step.id]}",
            class_=f"node p-{PHASES[step.phase][0]}",
            transform=f"translate({x:.1f} {y:.1f})",
        )

    def _second_line(self, step: StepView) -> Iterator[Html]:
        room = _WIDTH - 38 - 12.0
        if step.verdict is not None:
            wide = len(step.verdict.effect) * 6 + 14
            room -= wide + 8
            yield tag(
                "g",
                tag("rect", width=wide, height=17, rx=8.5),
                tag("text", step.verdict.effect, x=wide / 2, y=12.2),
                class_=f"badge p-{EFFECTS[step.verdict.effect][0]}",
                transform=f"translate({_WIDTH - wide - 11} 31)",
            )
        words = [step.operator, self._took(step)]
        if not step.items and step.attempts > 1:
            words.append(f"{step.attempts} attempts")
        yield tag("text", _fit(" · ".join(filter(None, words)), room / _SMALL), x=38, y=43.5, class_="small")

    def _took(self, step: StepView) -> str:
        """In a few words; what did not run says its phase instead."""
        if step.id in self.times.taken_over:
            return "taken over"
        if step.phase in {"Skipped", "Omitted", "Pending"} and not step.attempts:
            return step.phase.lower()
        return duration(self.times.steps[step.id].total("run"))

    def _third_line(self, step: StepView) -> Iterator[Html]:
        """Of a fan-out its items, of a step that asked people how long they took; else nothing."""
        people = self.times.steps[step.id].total("people")
        if step.items:
            yield from _item_line(step)
        elif people or step.phase == "Waiting":
            word = "waiting" if step.phase == "Waiting" else "waited"
            yield tag("text", f"{word} {duration(people)} for people", x=38, y=63, class_="small")


def _item_line(step: StepView) -> Iterator[Html]:
    """How many items there are, and a bar of how they ended."""
    counts: Counter[Phase] = Counter(item.phase for item in step.items)
    other = [f"{counts[phase]} {phase.lower()}" for phase in PHASES if phase != "Succeeded" and counts[phase]]
    words = [counted(len(step.items), "item"), *other]
    yield tag("text", _fit(", ".join(words), (_WIDTH - 134) / _SMALL), x=38, y=63, class_="small")
    whole = 72 - _LEAST * len(counts)
    at = _WIDTH - 84.0
    for phase in PHASES:
        if counts[phase]:
            wide = _LEAST + whole * counts[phase] / len(step.items)
            yield Html(f'<rect class="part p-{PHASES[phase][0]}" x="{at:.1f}" y="57" width="{wide:.1f}" height="6"/>')
            at += wide


def _edges(view: RunView) -> dict[tuple[str, str], str]:
    """Edges between steps that the run has, `data` winning over `order`."""
    known = {step.id for step in view.steps}
    kinds: dict[tuple[str, str], str] = {}
    earlier: set[str] = set()
    for node in view.plan.nodes:
        for edge in node.needs:
            if edge.step in earlier & known and kinds.get((edge.step, node.id)) != "data":
                kinds[edge.step, node.id] = edge.kind
        earlier.add(node.id)
    return kinds


def _goes_down(layers: Mapping[str, int]) -> bool:
    """Down when that fits the page's width, else whichever way is less wide."""
    rows = Counter(layers.values())
    across = max(rows.values(), default=0) * (_WIDTH + _GAP)
    return across <= _PAGE or across <= len(rows) * (_WIDTH + _BETWEEN)


def _fit(value: str, room: float) -> str:
    """The text within `room` characters; those of East Asia are two wide."""
    most = max(int(room), 3)
    if not value.isascii():
        wide = accumulate(2 if east_asian_width(character) in "WF" else 1 for character in value)
        most = max(most - sum(1 for width, count in zip(wide, range(1, most + 1), strict=False) if width > count), 3)
    return value if len(value) <= most else value[: most - 1] + "…"


def _tooltip(step: StepView, took: str) -> str:
    words: Sequence[str] = (
        f"{step.id}: {step.operator}, {step.phase}",
        took,
        counted(step.attempts, "attempt") if step.attempts else "",
        counted(len(step.items), "item") if step.items else "",
        f"verdict {step.verdict.effect}" if step.verdict else "",
        step.failure.message[:300] if step.failure else "",
    )
    return ", ".join(filter(None, words))


_MARKERS = Html(
    "<defs>"
    + "".join(
        f'<marker id="arrow{name}" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="arrow{style}" d="M0 .8L7 4 0 7.2z"/></marker>'
        for name, style in (("", ""), ("-critical", " critical"))
    )
    + "</defs>"
)
