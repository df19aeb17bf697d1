"""Boxes and arrows of a graph of steps, in CSS pixels: time goes down, or right when that is less wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from unicodedata import east_asian_width

from somagent.workflows.layout.layers import Segment, Vertex, draw, layer_of

WIDTH, HEIGHT, MORE = 256, 56, 20  # a box, and what one with a third line is higher
GAP, BETWEEN = 30, 52
MARGIN = 16
CHAR = 7.25  # a character of a step's name, which is monospaced
SMALL = 6.2  # about a character of the second line
_PAGE = 1140  # a drawing this wide needs no scrolling on a desk


class Picture:
    """Where everything is. `names` are in topological order; `finals` stand below, one after the other."""

    def __init__(
        self,
        names: Sequence[str],
        finals: Sequence[str],
        kinds: Mapping[tuple[str, str], str],
        high: Callable[[str], int],
    ) -> None:
        self._high = high
        layers = layer_of(names, list(kinds))
        self.down = _goes_down(layers)
        drawn = draw(layers, list(kinds), box=WIDTH if self.down else HEIGHT + MORE, gap=GAP)
        self._extent = max(drawn.extent, WIDTH) if finals else drawn.extent
        aside = (self._extent - drawn.extent) / 2
        self._centres: dict[Vertex, float] = {vertex: at + aside for vertex, at in drawn.centres.items()}
        self._centres.update(dict.fromkeys(finals, self._extent / 2))
        self._layers: list[Sequence[Vertex]] = [*drawn.layers, *([name] for name in finals)]
        self._first_final = len(drawn.layers)
        after = list(pairwise(finals))
        self.kinds = {**kinds, **dict.fromkeys(after, "order")}
        self._routes = {**drawn.routes, **{edge: edge for edge in after}}
        self._place = {vertex: number for number, layer in enumerate(self._layers) for vertex in layer}
        self._bands = list(self._make_bands())

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole."""
        along = self._bands[-1][1] + MARGIN
        across = self._extent + 2 * MARGIN
        return (across, along) if self.down else (along, across)

    def has(self, name: str) -> bool:
        """Whether a step has a box."""
        return name in self._centres

    def corner(self, name: str) -> tuple[float, float]:
        """The left upper corner of a step's box."""
        start, end = self._bands[self._place[name]]
        centre, high = self._centres[name] + MARGIN, self._high(name)
        return (centre - WIDTH / 2, (start + end - high) / 2) if self.down else (start, centre - high / 2)

    def segments(self) -> Mapping[Segment, Sequence[tuple[str, str]]]:
        """The pieces of all edges, each once, with the edges that it is part of."""
        found: dict[Segment, list[tuple[str, str]]] = {}
        for edge in self.kinds:
            for segment in pairwise(self._routes[edge]):
                found.setdefault(segment, []).append(edge)
        return found

    def path(self, start: Vertex, end: Vertex) -> str:
        """A curve between two layers; at a way point it goes on straight through the layer."""
        a, b = self._centres[start] + MARGIN, self._centres[end] + MARGIN
        out, into = self._border(start, far=True), self._border(end, far=False)
        middle = (out + into) / 2
        points = [(a, out), (a, middle), (b, middle), (b, into)]
        if not isinstance(end, str):
            points.append((b, self._bands[self._place[end]][1]))
        first, *curve = [f"{x:.1f} {y:.1f}" if self.down else f"{y:.1f} {x:.1f}" for x, y in points]
        return f"M{first}C{' '.join(curve[:3])}" + "".join(f"L{point}" for point in curve[3:])

    def before_finals(self) -> float | None:
        """Where the line before `finally` goes, along the drawing; None without both sides."""
        if self._first_final >= len(self._bands) or not self._first_final:
            return None
        return (self._bands[self._first_final - 1][1] + self._bands[self._first_final][0]) / 2

    def _make_bands(self) -> Iterator[tuple[float, float]]:
        """Start and end of each layer along the drawing."""
        at: float = MARGIN
        for number, layer in enumerate(self._layers):
            at += 18 if number == self._first_final and number else 0
            high = max((self._high(vertex) for vertex in layer if isinstance(vertex, str)), default=HEIGHT)
            end = at + (high if self.down else WIDTH)
            yield at, end
            at = end + (BETWEEN if self.down else BETWEEN + 20)

    def _border(self, vertex: Vertex, *, far: bool) -> float:
        start, end = self._bands[self._place[vertex]]
        if isinstance(vertex, str) and self.down:
            middle, half = (start + end) / 2, self._high(vertex) / 2
            start, end = middle - half, middle + half
        return end if far else start - 2 if isinstance(vertex, str) else start


def fit(value: str, room: float) -> str:
    """The text within `room` characters; those of East Asia are two wide."""
    most = max(int(room), 3)
    if value.isascii():
        return value if len(value) <= most else value[: most - 1] + "…"
    reach = [*accumulate(2 if east_asian_width(character) in "WF" else 1 for character in value)]
    return value if reach[-1] <= most else value[: sum(at < most for at in reach)] + "…"


def _goes_down(layers: Mapping[str, int]) -> bool:
    """Down when that fits the page's width, else whichever way is less wide."""
    rows = Counter(layers.values())
    across = max(rows.values(), default=0) * (WIDTH + GAP)
    return across <= _PAGE or across <= len(rows) * (WIDTH + BETWEEN)
