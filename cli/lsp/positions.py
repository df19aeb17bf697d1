"""Places as the protocol counts them: lines from 0, characters in the units that client and server agreed on."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol.types import Position, PositionEncodingKind, Range

from somagent.governance.documents import Span

_LINE_END = re.compile(r"\r\n|\n|\r")
_WIDTHS = {PositionEncodingKind.Utf8: "utf-8", PositionEncodingKind.Utf16: "utf-16-le"}


class Lines:
    """The lines of a text, as the protocol ends them."""

    def __init__(self, text: str, encoding: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self._codec = _WIDTHS.get(PositionEncodingKind(encoding), "")
        self._unit = 2 if self._codec == "utf-16-le" else 1

    def position(self, offset: int) -> Position:
        """The position of an offset; one past the end is the end."""
        offset = min(max(offset, 0), len(self._text))
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._units(self._text[self._starts[line] : offset]))

    def range(self, span: Span) -> Range:
        """The range of a span."""
        return Range(self.position(span.start), self.position(max(span.start, span.end)))

    def offset(self, position: Position) -> int:
        """The offset of a position; one past the end of a line is the end of the line."""
        if position.line >= len(self._starts):
            return len(self._text)
        if position.line < 0:
            return 0
        start = self._starts[position.line]
        end = self._starts[position.line + 1] if position.line + 1 < len(self._starts) else len(self._text)
        line = self._text[start:end].rstrip("\r\n")
        if line.isascii() or not self._codec:
            return start + min(max(position.character, 0), len(line))
        units = 0
        for index, char in enumerate(line):
            units += self._units(char)
            if units > position.character:
                return start + index
        return start + len(line)

    @property
    def whole(self) -> Range:
        """From the beginning to the end of the text."""
        return Range(Position(0, 0), self.position(len(self._text)))

    def _units(self, text: str) -> int:
        if text.isascii() or not self._codec:
            return len(text)
        return len(text.encode(self._codec, "surrogatepass")) // self._unit
