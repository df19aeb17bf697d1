"""The steps drawn as a graph: who needs whom, how each ended, how long it took and what the constitution said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from somagent.operators.runner.records import Phase
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.layout.picture import CHAR, HEIGHT, MARGIN, MORE, SMALL, WIDTH, Picture, fit
from somagent.workflows.report.icons import symbols
from somagent.workflows.report.markup import STYLE, Html, join, tag
from somagent.workflows.report.timing import RunTimes
from somagent.workflows.report.words import EFFECTS, PHASES, counted, duration

MOST_STEPS = 1_000
"""More boxes than this are no picture any more; the timeline and the tables say it better."""

_PARTS = ("marks", "graph")  # of the style
_LEAST = 3  # of a bar's part, so that one of a thousand is seen


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


def document(view: RunView, times: RunTimes) -> Html:
    """The drawing as a document of SVG that needs no page around it; `view` has from 1 to `MOST_STEPS` steps."""
    picture = _Picture(view, times)
    width, height = map(round, picture.picture.size)
    return tag(
        "svg",
        Html(f"<style>{_own_style()}</style>"),
        symbols(),
        picture.svg(),
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )


def _own_style() -> str:
    """What of the page's style the drawing needs: the colours, the marks and the graph."""
    css = STYLE.read_text(encoding="utf-8")
    parts = [css.partition("\n* {")[0], *(css.partition(f"/* {name}")[2].partition("/* ")[0] for name in _PARTS)]
    return parts[0] + "".join(part.partition("*/")[2] for part in parts[1:]) + "svg { background: var(--card); }"


class _Picture:
    """One drawing. Lengths are CSS pixels; `down` means that time goes down, else it goes right."""

    def __init__(self, view: RunView, times: RunTimes) -> None:
        self.view, self.times = view, times
        self.steps = {step.id: step for step in view.steps}
        self.number = {step.id: number for number, step in enumerate(view.steps)}
        self.critical = {(a.step, b.step) for a, b in pairwise(times.chain)}
        self.third = {step.id: list(self._third_line(step)) for step in view.steps}
        self.third = {name: line for name, line in self.third.items() if line}
        names = [node.id for node in view.plan.nodes if node.id in self.steps]
        finals = [node.id for node in view.plan.finals if node.id in self.steps]
        self.picture = Picture(names, finals, _edges(view), self._high)

    def svg(self) -> Html:
        width, height = self.picture.size
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
            *(self._box(step) for step in self.view.steps if self.picture.has(step.id)),
            width=round(width),
            height=round(height),
            viewBox=f"0 0 {round(width)} {round(height)}",
            role="group",
            aria_labelledby="drawing-title drawing-text",
        )

    def _high(self, vertex: str) -> int:
        return HEIGHT + (MORE if vertex in self.third else 0)

    def _edges(self) -> Iterator[Html]:
        """Every segment once; a segment that several edges share is drawn as the strongest of them."""
        drawn = [
            (
                *segment,
                "data" if any(self.picture.kinds[edge] == "data" for edge in edges) else "order",
                any(edge in self.critical for edge in edges),
            )
            for segment, edges in self.picture.segments().items()
        ]
        for start, end, kind, critical in sorted(drawn, key=lambda one: one[3]):
            style = f"edge {kind}{' critical' if critical else ''}"
            marker = f"url(#arrow{'-critical' if critical else ''})" if isinstance(end, str) else None
            yield tag("path", class_=style, d=self.picture.path(start, end), marker_end=marker)

    def _finally_line(self, width: float, height: float) -> Html:
        at = self.picture.before_finals()
        if at is None:
            return Html("")
        label = "finally: runs when all else has ended"
        if self.picture.down:
            line = tag("line", x1=MARGIN, x2=round(width - MARGIN), y1=at, y2=at, class_="divider")
            return join([line, tag("text", label, x=MARGIN, y=at + 15, class_="small")])
        line = tag("line", y1=MARGIN, y2=round(height - MARGIN), x1=at, x2=at, class_="divider")
        return join([line, tag("text", label, x=at + 6, y=MARGIN + 2, class_="small")])

    def _box(self, step: StepView) -> Html:
        high = self._high(step.id)
        x, y = self.picture.corner(step.id)
        return tag(
            "a",
            tag("title", _tooltip(step, self._took(step))),
            tag("rect", x=4, y=4, width=WIDTH, height=high, rx=9, class_="behind") if step.items else Html(""),
            tag("rect", width=WIDTH, height=high, rx=9, class_="box"),
            Html(f'<path class="stripe" d="M4.5 12v{high - 24}"/>'),
            Html(f'<use href="#i-{PHASES[step.phase][0]}" x="14" y="11" width="16" height="16"/>'),
            tag("text", fit(step.id, (WIDTH - 50) / CHAR), x=38, y=24, class_="name"),
            *self._second_line(step),
            *self.third.get(step.id, ()),
            href=f"#s{self.number[step.id]}",
            class_=f"node p-{PHASES[step.phase][0]}",
            transform=f"translate({x:.1f} {y:.1f})",
        )

    def _second_line(self, step: StepView) -> Iterator[Html]:
        room = WIDTH - 38 - 12.0
        if step.verdict is not None:
            wide = len(step.verdict.effect) * 6 + 14
            room -= wide + 8
            yield tag(
                "g",
                tag("rect", width=wide, height=17, rx=8.5),
                tag("text", step.verdict.effect, x=wide / 2, y=12.2),
                class_=f"badge p-{EFFECTS[step.verdict.effect][0]}",
                transform=f"translate({WIDTH - wide - 11} 31)",
            )
        words = [step.operator, self._took(step)]
        if not step.items and step.attempts > 1:
            words.append(f"{step.attempts} attempts")
        yield tag("text", fit(" · ".join(filter(None, words)), room / SMALL), x=38, y=43.5, class_="small")

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
    yield tag("text", fit(", ".join(words), (WIDTH - 134) / SMALL), x=38, y=63, class_="small")
    whole = 72 - _LEAST * len(counts)
    at = WIDTH - 84.0
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
