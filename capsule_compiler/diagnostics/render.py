"""How diagnostics look: as compilers show them to people, and as records for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from somagent.capsule_compiler.diagnostics.codes import Severity, code_of
from somagent.governance.documents import Diagnostic, Label, Source, Span

_COLORS = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "line": "\x1b[1;34m",
    "help": "\x1b[1;36m",
    "bold": "\x1b[1m",
}
_RESET = "\x1b[0m"
_WIDEST = 160  # cells of a line that are shown
_MOST_LABELS = 8


def render_all(source: Source, diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """All of them, a blank line between, and a last line that counts them."""
    blocks = [render(source, one, color=color) for one in diagnostics]
    if not blocks:
        return ""
    counts = {"error": 0, "warning": 0}
    for one in diagnostics:
        counts[code_of(one.name).severity] += 1
    words = [f"{count} {word}{'s' * (count > 1)}" for word, count in counts.items() if count]
    return "\n".join(blocks) + f"\n{_visible(source.name)}: " + ", ".join(words) + "\n"


def render(source: Source, one: Diagnostic, *, color: bool = False) -> str:
    """One diagnostic, ending with a line break."""
    code = code_of(one.name)
    paint = _painter(color=color)
    position = source.position(one.span.start)
    marks = _marks(source, one)
    gutter = len(str(max(mark.line for mark in marks)))
    lines = [
        paint(code.severity, f"{code.severity}[{code.number}]") + paint("bold", f": {_visible_lines(one.message)}"),
        paint("line", f"{' ' * gutter}--> ") + f"{_visible(source.name)}:{position.line}:{position.column}",
    ]
    shown: _Excerpt | None = None
    for mark in marks:
        excerpt = shown if shown is not None and shown.shows(mark) else _excerpt(source, mark)
        if excerpt is not shown:
            if shown is not None and excerpt.line > shown.line + 1:
                lines.append(paint("line", "..."))
            lines.append(paint("line", f"{excerpt.line:>{gutter}} |") + f" {excerpt.text}".rstrip())
        shown = excerpt
        tint: str = code.severity if mark.main else "line"
        under = f"{excerpt.under(mark)} {_visible_lines(mark.note)}".rstrip()
        lines.append(paint("line", f"{' ' * gutter} |") + " " + paint(tint, under))
    hidden = len(one.labels) - _MOST_LABELS
    if hidden > 0:
        more = f"{hidden} more place{'s' if hidden > 1 else ''} of this kind"
        lines.append(paint("line", f"{' ' * gutter} = ") + paint("help", "note") + f": and {more}")
    if one.help:
        lines.append(
            paint("line", f"{' ' * gutter} = ") + paint("help", "help") + f": {_aligned(one.help, gutter + 9)}"
        )
    return "\n".join(lines) + "\n"


def to_record(source: Source, one: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON: what API answers and `--output json` hold."""
    code = code_of(one.name)
    severity: Severity = code.severity
    record: dict[str, Any] = {
        "code": code.number,
        "name": code.name,
        "severity": severity,
        "message": one.message,
        "file": source.name,
        **_place(source, one.span),
    }
    if one.note:
        record["note"] = one.note
    if one.help:
        record["help"] = one.help
    if one.labels:
        record["labels"] = [_label(source, label) for label in one.labels]
    if one.edit:
        edit = one.edit
        record["edit"] = {"title": edit.title, "text": edit.text, "safe": edit.safe, **_place(source, edit.span)}
    return record


def _label(source: Source, label: Label) -> dict[str, Any]:
    return {"text": label.text, **_place(source, label.span)}


def _place(source: Source, span: Span) -> dict[str, int]:
    start, end = source.position(span.start), source.position(max(span.end, span.start))
    return {"line": start.line, "column": start.column, "endLine": end.line, "endColumn": end.column}


def _painter(*, color: bool) -> Any:
    def paint(kind: str, text: str) -> str:
        return f"{_COLORS[kind]}{text}{_RESET}" if color else text

    return paint


class _Mark(NamedTuple):
    """What is underlined in one line, from `start` up to `end` of its characters."""

    line: int
    start: int
    end: int
    note: str
    main: bool


def _marks(source: Source, one: Diagnostic) -> list[_Mark]:
    """In the order of the text; of a place over several lines the first and the last, where its note stands."""
    labels = sorted(one.labels, key=lambda label: label.span)[:_MOST_LABELS]
    places = [(one.span, one.note, True), *((label.span, label.text, False) for label in labels)]
    return sorted(mark for place in places for mark in _marks_of(source, *place))


def _marks_of(source: Source, span: Span, note: str, main: bool) -> Iterator[_Mark]:  # noqa: FBT001  parts of a place
    end = span.start + len(source.text[span.start : span.end].rstrip())
    first, last = source.position(span.start), source.position(max(end, span.start))
    start = first.column - 1
    if last.line == first.line:
        yield _Mark(first.line, start, max(last.column - 1, start + 1), note, main)
        return
    yield _Mark(first.line, start, len(source.line(first.line)), "", main)
    line = source.line(last.line)
    yield _Mark(last.line, len(line) - len(line.lstrip()), last.column - 1, note, main)


class _Excerpt(NamedTuple):
    """A line, or the part of a long one around a place, as a terminal can show it."""

    line: int
    first: int  # character of the line
    part: str
    before: str
    after: str

    @property
    def text(self) -> str:
        return self.before + _visible(self.part) + self.after

    def shows(self, mark: _Mark) -> bool:
        """Whether the mark can stand under it; one that a cut hides is to be seen in an excerpt of its own."""
        end = self.first + len(self.part)
        return mark.line == self.line and self.first <= mark.start and (mark.end <= end or not self.after)

    def under(self, mark: _Mark) -> str:
        """The line of signs under the excerpt."""
        start = mark.start - self.first
        blanks = len(self.before) + _cells(self.part[:start])
        return " " * blanks + ("^" if mark.main else "-") * max(1, _cells(self.part[start : mark.end - self.first]))


def _excerpt(source: Source, mark: _Mark) -> _Excerpt:
    line = source.line(mark.line)
    narrow = line.isascii() or (len(line) <= _WIDEST and _cells(line) <= _WIDEST)
    widest = _WIDEST if narrow else _WIDEST // 2  # wide characters take two cells
    first = 0 if len(line) <= widest else max(0, min(mark.start - widest // 3, len(line) - widest))
    cut = first + widest < len(line)
    return _Excerpt(mark.line, first, line[first : first + widest], "..." if first else "", "..." if cut else "")


def _visible(text: str) -> str:
    """Tabs as one blank, invisible characters as a box."""
    return "".join(
        " " if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _aligned(text: str, column: int) -> str:
    """Text whose further lines begin below the first one."""
    return ("\n" + " " * column).join(_visible(line).strip() for line in text.split("\n"))


def _visible_lines(text: str) -> str:
    return text if text.isprintable() else "\n".join(map(_visible, text.split("\n")))


def _cells(text: str) -> int:
    """Columns of a terminal that a text takes; wide East Asian characters take two, marks on others none."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(char) in {"Mn", "Me"}
        else 2
        if unicodedata.east_asian_width(char) in {"W", "F"}
        else 1
        for char in text
    )
