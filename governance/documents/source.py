"""A place in a text is two offsets; lines and columns are worked out only when somebody looks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field


class Span(Struct, frozen=True, order=True, gc=False):
    """A half-open range of a source's text, in code points. A large document has very many of them."""

    start: int
    end: int

    def __iter__(self) -> Iterator[int]:
        """Start and end, to be taken apart."""
        return iter((self.start, self.end))

    def shifted(self, by: int) -> Span:
        """The same range, `by` code points further on."""
        return Span(self.start + by, self.end + by)


class Position(NamedTuple):
    """A place as editors count it: line and column, both from 1, the column in code points."""

    line: int
    column: int


class Source(Struct, frozen=True, eq=False):
    """A named text, as it was read."""

    name: str
    text: str
    _line_starts: list[int] = field(default_factory=list)  # found when somebody looks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and (self.name, self.text) == (other.name, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.text))

    def position(self, offset: int) -> Position:
        """Line and column of an offset; an offset past the end is the end."""
        starts = self._starts()
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its line break."""
        starts = self._starts()
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def _starts(self) -> list[int]:
        if not self._line_starts:
            self._line_starts.append(0)
            at = self.text.find("\n")
            while at >= 0:
                self._line_starts.append(at + 1)
                at = self.text.find("\n", at + 1)
        return self._line_starts
