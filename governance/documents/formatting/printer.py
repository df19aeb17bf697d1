"""Prints a tree with the comments between its parts.

Two blanks indent; a flow collection stays on its line while it fits there and has no comment inside, else it becomes
a block; at most one blank line in a row, none at the beginning of a block. A comment at the end of a line stays there,
one on a line of its own goes with what follows, or with the block whose end it is indented to. What a comment like
`# somagent: allow CAP403 why` says of a line stays true, so that line is not broken.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from somagent.governance.documents.formatting import scalars
from somagent.governance.documents.nodes import MappingNode, Node, ScalarNode, SequenceNode
from somagent.governance.documents.source import Span

WIDTH = 120
_INSTRUCTION = re.compile(r"#+[ \t]*somagent:")
_GAP = re.compile(r"[ \t\n-]*")
_STEP = 2


class _Note(NamedTuple):
    """A comment; `alone` on its line or behind something."""

    start: int
    text: str
    column: int
    alone: bool
    blank: bool  # there is a blank line above


class _Stop(NamedTuple):
    """Where the next part of a collection around this one begins."""

    start: int
    column: int


class _Part(NamedTuple):
    """An entry or an item: where it begins, where its head ends, the head, and the value."""

    start: int
    head_end: int
    head: str
    long: str  # a key that needs a line of its own
    value: Node


class Printer:
    """Prints one document. Comments are taken one after the other, so their order stays."""

    def __init__(self, text: str, comments: Sequence[Span]) -> None:
        self._text = text
        self._notes = [self._note(span) for span in comments]
        self._starts = [note.start for note in self._notes]
        self._at = 0  # the first comment that has not been printed
        self._out: list[str] = []
        self._kept = -1  # length of the output after a value that ends with its own blank lines

    def document(self, root: Node) -> str:
        """The text of the document."""
        part = _Part(root.span.start, root.span.start, "", "", root)
        stop = _Stop(len(self._text), -1)
        if self._is_flow(root):
            self._leading(part.start, 0, first=True)
        self._value(part, -_STEP, stop, in_flow=False)
        self._leading(len(self._text), 0, first=not self._out)
        return "\n".join(self._out) + "\n"

    def _value(self, part: _Part, indent: int, stop: _Stop, *, in_flow: bool) -> None:
        """Prints a part's head and value; `indent` is the head's."""
        value = part.value
        one_line = self._is_flow(value) and self._instructed(part, stop)
        before = 0 if one_line else scalars.width(part.head) + 1
        flat = self._flat(value, before)
        if flat is not None or isinstance(value, ScalarNode):
            self._short(part, flat, indent, stop)
            return
        flow = in_flow or self._is_flow(value)
        parts = list(self._parts(value, indent + _STEP))
        inside = self._next(parts[0].start)
        note = self._take() if inside and not inside.alone else None
        if note is None and flow and not self._next(value.span.end):
            note = self._same_line(value.span.end, stop)
        if part.long:
            self._out.append(part.long)
        line = len(self._out)
        dash = part.head.endswith("-")
        if part.head and (note or not dash):
            self._out.append(_with(part.head, note))
        elif note:
            self._out.append(_with("", note).strip())
        self._children(value, parts, indent + _STEP, stop, first=not (dash and note), flow=flow)
        if dash and not note:
            while not self._out[line] or self._out[line].lstrip(" ").startswith("#"):  # they stand above the dash
                self._out[line] = self._out[line] and part.head[:-1] + self._out[line].lstrip(" ")
                line += 1
            self._out[line] = f"{part.head} {self._out[line][indent + _STEP :]}"

    def _children(
        self, node: Node, parts: Sequence[_Part], indent: int, stop: _Stop, *, first: bool, flow: bool
    ) -> None:
        column = 0 if flow else self._column(parts[0].start)
        ends = _Stop(node.span.end - 1, -1) if flow else stop
        for number, part in enumerate(parts):
            first = self._leading(part.start, indent, first=first)
            if not first and self._blank_above(part.start):
                self._blank()
            after = parts[number + 1].start if number + 1 < len(parts) else -1
            self._value(part, indent, _Stop(after, column) if after >= 0 else ends, in_flow=flow)
            first = False
        if flow:
            self._leading(node.span.end, indent, first=False)
            note = self._same_line(node.span.end, stop)
            if note:
                self._out.append(" " * indent + note.text)
            return
        while (own := self._next(stop.start)) and own.column >= column and own.column > stop.column:
            self._own_line(own, indent)
            self._at += 1

    def _short(self, part: _Part, flat: str | None, indent: int, stop: _Stop) -> None:
        """A value without parts: what is said before it stands above, what is said behind it stays there."""
        value = part.value
        notes = list(self._take_before(value.span.end))
        note = self._same_line(value.span.end, stop)
        notes += [note] if note else []
        last = notes.pop() if notes and not notes[-1].alone else None
        pad = " " * max(indent, 0)
        self._out += [pad + one.text for one in notes]
        if part.long:
            self._out.append(part.long)
        literal = None
        if flat is not None:
            lines = [flat]
        elif isinstance(value, ScalarNode) and scalars.is_literal(self._text, value):
            literal = scalars.literal_of(self._text, value)
            lines = [literal.header]
        else:
            lines = scalars.lines_of(self._text[value.span.start : value.span.end])
        inner = " " * (indent + _STEP)
        lines = [_joined(part.head, lines[0]), *(inner + line if line else "" for line in lines[1:])]
        lines[-1] = _with(lines[-1], last)
        self._out += lines
        if literal:
            deep = inner or "  "
            self._out += [deep + line if line else "" for line in literal.lines]
            self._kept = len(self._out) if literal.keeps else self._kept

    def _parts(self, node: Node, indent: int) -> Iterator[_Part]:
        pad = " " * indent
        if isinstance(node, MappingNode):
            for entry in node.entries.values():
                written, long = scalars.key_of(self._text, entry.key)
                head, above = (f"{pad}:", f"{pad}? {written}") if long else (f"{pad}{written}:", "")
                yield _Part(entry.key.span.start, entry.key.span.end, head, above, entry.value)
        elif isinstance(node, SequenceNode):
            block = self._text[node.span.start] == "-" and not self._is_flow(node)
            at = node.span.start
            for item in node.items:
                start = self._dash(at) if block else item.span.start
                yield _Part(start, start + 1 if block else start, f"{pad}-", "", item)
                at = self._end(item)

    def _flat(self, node: Node, before: int) -> str | None:
        """A value on one line, when it can stand there behind `before` columns (0: at any width)."""
        if isinstance(node, ScalarNode):
            return self._line(node)
        if not self._is_flow(node):
            return None
        return self._flow_line(node, max(WIDTH - before, 2) if before else len(self._text) * 2)

    def _flow_line(self, node: Node, room: int) -> str | None:
        """The value in `room` columns; what does not fit is left early, since the caller asks for its parts again."""
        if isinstance(node, ScalarNode):
            line = self._line(node)
            return line if line is None or scalars.width(line) <= room else None
        pairs: Iterable[tuple[ScalarNode | None, Node]]
        if isinstance(node, SequenceNode):
            pairs, opening, closing = ((None, item) for item in node.items), "[", "]"
            empty = not node.items
        else:
            pairs, opening, closing = ((one.key, one.value) for one in node.entries.values()), "{ ", " }"
            empty = not node.entries
        if empty:
            return opening.strip() + closing.strip()
        if self._commented(node):
            return None
        parts: list[str] = []
        left = room - len(opening) - len(closing)
        for key, value in pairs:
            head = ""
            if key is not None:
                written, long = scalars.key_of(self._text, key)
                if long:
                    return None
                head = f"{written}: "
            left -= scalars.width(head) + (2 if parts else 0)
            flat = self._flow_line(value, left)
            if flat is None:
                return None
            left -= scalars.width(flat)
            parts.append(head + flat)
        body = ", ".join(parts)
        return f"{opening}{body.rstrip() if closing == ' }' else body}{closing}"

    def _line(self, node: ScalarNode) -> str | None:
        written = scalars.raw(self._text, node)
        return None if "\n" in written or scalars.is_literal(self._text, node) else written

    def _instructed(self, part: _Part, stop: _Stop) -> bool:
        """Whether a comment tells the tools something about the line of this part, which then stays one line."""
        span = part.value.span
        if self._text.find("\n", span.start, span.end) >= 0:
            return False
        behind = self._next(stop.start)
        if behind and _INSTRUCTION.match(behind.text) and "\n" not in self._text[span.end : behind.start]:
            return True
        above = self._notes[self._at - 1] if self._at else None
        if above is None or not above.alone or not _INSTRUCTION.match(above.text):
            return False
        return _GAP.fullmatch(self._text, above.start + len(above.text), part.start) is not None

    def _is_flow(self, node: Node) -> bool:
        return self._text[node.span.start : node.span.start + 1] in {"[", "{"}

    def _commented(self, node: Node) -> bool:
        return bisect_left(self._starts, node.span.start) != bisect_left(self._starts, node.span.end)

    def _dash(self, at: int) -> int:
        """The `-` from `at` on, comments left out."""
        text = self._text
        while text[at] != "-":
            at = text.find("\n", at) if text[at] == "#" else at + 1
        return at

    def _end(self, node: Node) -> int:
        """Where a value ends; the marks of blocks come later, behind comments."""
        while not isinstance(node, ScalarNode) and not self._is_flow(node):
            node = node.items[-1] if isinstance(node, SequenceNode) else list(node.entries.values())[-1].value
        return node.span.end

    def _note(self, span: Span) -> _Note:
        text = self._text
        line = self._line_before(span.start)
        written = text[span.start : span.end].rstrip()
        column = span.start - line if line >= 0 else 0
        return _Note(span.start, written, column, line >= 0, self._blank_above(span.start))

    def _column(self, at: int) -> int:
        return at - self._text.rfind("\n", 0, at) - 1

    def _blank_above(self, at: int) -> bool:
        line = self._line_before(at)
        return line > 0 and self._line_before(line - 1) >= 0

    def _line_before(self, at: int) -> int:
        """Where the line begins, of which only white space stands before `at`; else -1."""
        text = self._text
        while at and text[at - 1] in " \t":
            at -= 1
        return at if not at or text[at - 1] == "\n" else -1

    def _next(self, before: int) -> _Note | None:
        return self._notes[self._at] if self._at < len(self._notes) and self._starts[self._at] < before else None

    def _take(self) -> _Note:
        self._at += 1
        return self._notes[self._at - 1]

    def _take_before(self, end: int) -> Iterator[_Note]:
        while self._next(end):
            yield self._take()

    def _same_line(self, end: int, stop: _Stop) -> _Note | None:
        """The comment behind what ends at `end`."""
        note = self._next(stop.start)
        return self._take() if note and "\n" not in self._text[end : note.start] else None

    def _leading(self, before: int, indent: int, *, first: bool) -> bool:
        """Prints the comments before a place, each on its line; whether the place is still the first of its block."""
        for note in self._take_before(before):
            self._own_line(note, indent, first=first)
            first = False
        return first

    def _own_line(self, note: _Note, indent: int, *, first: bool = False) -> None:
        if note.blank and not first:
            self._blank()
        self._out.append(" " * indent + note.text)

    def _blank(self) -> None:
        if self._kept != len(self._out):
            self._out.append("")


def _joined(head: str, value: str) -> str:
    return f"{head} {value}" if head and value else head or value


def _with(line: str, note: _Note | None) -> str:
    return f"{line} {note.text}" if note else line
