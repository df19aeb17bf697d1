"""A small layered drawing of a graph: who comes after whom is seen at a glance, and the same graph looks the same.

After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): layers by
longest path, an order in each layer by barycentres that keeps the best crossing count, then places by least squares.
Edges that span several layers run through way points; all edges of one node share them, so they leave as one trunk.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

Vertex = Hashable  # a box's name, or (name, layer) for a way point of the edges that leave that box
Segment = tuple[Vertex, Vertex]

_SWEEPS = 8
_PLACING = 16
_HOME = 0.02  # the pull to the middle, which keeps parts that are not connected together
_SMALL, _PLACING_SMALL = 300, 80  # vertices; more sweeps than that change nothing that is seen
_PULL = (1, 2, 8)  # between two boxes, a box and a way point, two way points


class Drawing(Struct, frozen=True):
    """Centres across the layers, layer by layer. `routes` gives each edge's vertices from its start to its end."""

    layers: Sequence[Sequence[Vertex]]
    centres: Mapping[Vertex, float]
    routes: Mapping[tuple[str, str], Sequence[Vertex]]
    extent: float  # across the layers


def layer_of(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The length of the longest path that leads to each node; `names` are in topological order."""
    before: dict[str, list[str]] = {name: [] for name in names}
    for start, end in edges:
        before[end].append(start)
    layers: dict[str, int] = {}
    for name in names:
        layers[name] = 1 + max((layers[start] for start in before[name] if start in layers), default=-1)
    return layers


def draw(layers: Mapping[str, int], edges: Sequence[tuple[str, str]], *, box: float, gap: float) -> Drawing:
    """Places boxes `box` wide, at least `gap` apart; way points take a third of a gap."""
    rows: list[list[Vertex]] = [[] for _ in range(1 + max(layers.values(), default=-1))]
    for name, layer in layers.items():
        rows[layer].append(name)
    routes: dict[tuple[str, str], Sequence[Vertex]] = {}
    below: dict[Vertex, list[Vertex]] = {}
    above: dict[Vertex, list[Vertex]] = {}
    for start, end in edges:
        route: list[Vertex] = [start]
        for layer in range(layers[start] + 1, layers[end]):
            point = (start, layer)
            if point not in above:
                rows[layer].append(point)
                _link(route[-1], point, below, above)
            route.append(point)
        _link(route[-1], end, below, above)
        routes[start, end] = [*route, end]
    rows = _ordered(rows, above, below)
    widths = {vertex: box if isinstance(vertex, str) else gap / 3 for row in rows for vertex in row}
    centres = _placed(rows, widths, gap, above, below)
    left = min((centres[v] - widths[v] / 2 for v in centres), default=0.0)
    right = max((centres[v] + widths[v] / 2 for v in centres), default=0.0)
    return Drawing(rows, {vertex: at - left for vertex, at in centres.items()}, routes, right - left)


def _link(start: Vertex, end: Vertex, below: dict[Vertex, list[Vertex]], above: dict[Vertex, list[Vertex]]) -> None:
    below.setdefault(start, []).append(end)
    above.setdefault(end, []).append(start)


def _ordered(
    rows: list[list[Vertex]], above: Mapping[Vertex, list[Vertex]], below: Mapping[Vertex, list[Vertex]]
) -> list[list[Vertex]]:
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for number in order:
            fixed = {vertex: place for place, vertex in enumerate(rows[number - 1 if down else number + 1])}
            rows[number] = _by_barycentre(rows[number], above if down else below, fixed)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _by_barycentre(
    row: list[Vertex], neighbours: Mapping[Vertex, list[Vertex]], fixed: Mapping[Vertex, int]
) -> list[Vertex]:
    """A vertex without neighbours on the fixed side keeps its place among the others."""
    weights = {}
    for place, vertex in enumerate(row):
        places = [fixed[neighbour] for neighbour in neighbours.get(vertex, ())]
        weights[vertex] = sum(places) / len(places) if places else float(place)
    return sorted(row, key=weights.__getitem__)


def _crossings(rows: Sequence[Sequence[Vertex]], below: Mapping[Vertex, list[Vertex]]) -> int:
    """Pairs of segments that cross, between all neighbouring layers: inversions of the ends in the order of starts."""
    total = 0
    for upper, lower in pairwise(rows):
        place = {vertex: number for number, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = sorted(place[end] for end in below.get(vertex, ()))
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _placed(
    rows: Sequence[Sequence[Vertex]],
    widths: Mapping[Vertex, float],
    gap: float,
    above: Mapping[Vertex, list[Vertex]],
    below: Mapping[Vertex, list[Vertex]],
) -> dict[Vertex, float]:
    """Each row's vertices as near to their neighbours as order and gaps allow, sweep after sweep.

    Way points pull at each other eight times as hard as boxes do, so that long edges run straight.
    """
    centres: dict[Vertex, float] = {}
    for row in rows:
        offsets = _offsets(row, widths, gap)
        middle = offsets[-1] / 2 if offsets else 0.0
        centres.update(zip(row, (offset - middle for offset in offsets), strict=True))
    sweeps = _PLACING if len(centres) > _SMALL else _PLACING_SMALL
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        both = sweep >= sweeps - 2
        for row in rows if down else reversed(rows):
            wanted, weights = [], []
            for vertex in row:
                point = not isinstance(vertex, str)
                near = [*(above.get(vertex, ()) if down or both or point else ())]
                near += below.get(vertex, ()) if not down or both or point else ()
                pulls = [_PULL[point + (not isinstance(other, str))] for other in near]
                weight = sum(pulls)
                at = sum(pull * centres[other] for pull, other in zip(pulls, near, strict=True))
                wanted.append(at / (weight + _HOME))
                weights.append(weight + _HOME)
            centres.update(zip(row, _apart(wanted, weights, _offsets(row, widths, gap)), strict=True))
    return centres


def _offsets(row: Sequence[Vertex], widths: Mapping[Vertex, float], gap: float) -> list[float]:
    """How far each vertex is from the first when all are as near to each other as they may be."""
    offsets, at = [], 0.0
    for number, vertex in enumerate(row):
        if number:
            before = row[number - 1]
            between = gap if isinstance(vertex, str) and isinstance(before, str) else gap * 2 / 3
            at += widths[before] / 2 + between + widths[vertex] / 2
        offsets.append(at)
    return offsets


def _apart(wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]) -> Sequence[float]:
    """The places nearest to the wanted ones (weighted least squares) that keep the order and the gaps.

    With the gaps taken off the places this is isotonic regression; pooling adjacent violators solves it exactly
    (Barlow et al., "Statistical Inference under Order Restrictions", 1972).
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, heavy, count = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, others, number = pools.pop()
            mean = (mean * heavy + other * others) / (heavy + others)
            heavy, count = heavy + others, count + number
        pools.append((mean, heavy, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
