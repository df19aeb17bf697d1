"""A map of the code: area is size, colour is how often a file changed, so a large hot square is a hot spot.

Squarified treemap (Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle, in the unit of the whole."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], whole: Box) -> list[Box]:
    """One box for each size, in the same order; sizes are positive and sorted, the largest first."""
    total = sum(sizes)
    if not total:
        return []
    scale = whole.width * whole.height / total
    areas = [size * scale for size in sizes]
    boxes: list[Box] = []
    rest = whole
    row: list[float] = []
    for area in areas:
        side = min(rest.width, rest.height)
        if row and worst([*row, area], side) > worst(row, side):
            placed, rest = lay(row, rest)
            boxes += placed
            row = []
        row.append(area)
    return boxes + lay(row, rest)[0]


def worst(row: Sequence[float], side: float) -> float:
    """The worst ratio of sides in a row of that length."""
    total = sum(row)
    return max(side * side * max(row) / (total * total), total * total / (side * side * min(row)))


def lay(row: Sequence[float], rest: Box) -> tuple[list[Box], Box]:
    """Lays a row along the shorter side; returns its boxes and what is left."""
    total = sum(row)
    boxes = []
    if rest.width >= rest.height:
        depth, at = total / rest.height, rest.y
        for area in row:
            boxes.append(Box(rest.x, at, depth, area / depth))
            at += area / depth
        return boxes, Box(rest.x + depth, rest.y, max(rest.width - depth, 1e-9), rest.height)
    depth, at = total / rest.width, rest.x
    for area in row:
        boxes.append(Box(at, rest.y, area / depth, depth))
        at += area / depth
    return boxes, Box(rest.x, rest.y + depth, rest.width, max(rest.height - depth, 1e-9))
