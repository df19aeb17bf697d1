"""How diagnostics look: as compilers show them to people, and as records for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
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
_WIDEST = 160  # characters of a line that are shown


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
    marks = sorted([(one.span, one.note, True), *((label.span, label.text, False) for label in one.labels)])
    gutter = len(str(max(source.position(span.start).line for span, _, _ in marks)))
    lines = [
        paint(code.severity, f"{code.severity}[{code.number}]") + paint("bold", f": {_visible_lines(one.message)}"),
        paint("line", f"{' ' * gutter}--> ") + f"{_visible(source.name)}:{position.line}:{position.column}",
    ]
    shown = _Excerpt(0, "")
    for span, note, main in marks:
        excerpt, mark = _excerpt(source, span, "^" if main else "-")
        if excerpt != shown:
            if shown.number and excerpt.number > shown.number + 1:
                lines.append(paint("line", "..."))
            lines.append(paint("line", f"{excerpt.number:>{gutter}} |") + f" {excerpt.text}".rstrip())
        shown = excerpt
        tint: str = code.severity if main else "line"
        lines.append(paint("line", f"{' ' * gutter} |") + " " + paint(tint, f"{mark} {_visible_lines(note)}".rstrip()))
    if one.help:
        lines.append(paint("line", f"{' ' * gutter} = ") + paint("help", "help") + f": {_visible_lines(one.help)}")
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


class _Excerpt(NamedTuple):
    """A line, or the part of a long line around a place, as a terminal can show it."""

    number: int
    text: str


def _excerpt(source: Source, span: Span, mark: str) -> tuple[_Excerpt, str]:
    """The excerpt around a place, and the marks under it."""
    start = source.position(span.start)
    line, column = source.line(start.line), start.column - 1
    first = 0 if len(line) <= _WIDEST else max(0, min(column - _WIDEST // 3, len(line) - _WIDEST))
    before = "..." if first else ""
    after = "..." if first + _WIDEST < len(line) else ""
    part = line[first : first + _WIDEST]
    blanks = len(before) + _cells(part[: column - first])
    inside = part[column - first : column - first + max(1, span.end - span.start)]
    text = before + _visible(part) + after
    return _Excerpt(start.line, text), " " * blanks + mark * max(1, _cells(inside))


def _visible(text: str) -> str:
    """Tabs as one blank, invisible characters as a box."""
    return "".join(
        " " if char == "\t" else char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )


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
