"""Finds where a character of a scalar's value stands in the source, whatever its YAML style.

Worked out only when a mistake inside a scalar is shown.
"""

from __future__ import annotations

from somagent.governance.documents.nodes import ScalarNode
from somagent.governance.documents.source import Source, Span

_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}


def locate(source: Source, node: ScalarNode, inner: Span) -> Span:
    """The source span of a span of the scalar's text; the whole scalar when it cannot be told."""
    start, end = node.span
    raw = source.text[start:end]
    if raw == node.text:
        return inner.shifted(start)
    offsets = _double_quoted(raw, node.text) if raw[:1] == '"' else _folded(raw, node.text)
    if offsets is None:
        return node.span
    last = len(offsets) - 1
    first = offsets[min(inner.start, last)]
    past = offsets[min(inner.end, last)] if inner.end <= inner.start else offsets[min(inner.end - 1, last)] + 1
    return Span(start + first, start + max(past, first + 1))


def _folded(raw: str, text: str) -> list[int] | None:
    """Offsets in `raw` of each character of `text`, for plain, single-quoted and block scalars."""
    at = 0
    if raw[:1] == "'":
        at = 1
    elif raw[:1] in {"|", ">"} and "\n" in raw:
        at = raw.index("\n") + 1
    offsets: list[int] = []
    fresh = True  # at the start of a line, where indentation is not part of the value
    for wanted in text:
        while at < len(raw) and raw[at] != wanted:
            if raw[at] not in " \t\r\n" and not (raw[at] == "'" and raw[at : at + 2] == "''"):
                if wanted in " \n":
                    break
                return None
            if wanted == " " and raw[at] == "\n":
                break
            fresh = fresh or raw[at] == "\n"
            at += 1
        if wanted == " " and fresh and at < len(raw) and raw[at] == " ":
            at = _after_indent(raw, at, text, len(offsets))
        offsets.append(min(at, len(raw) - 1))
        if at < len(raw) and (raw[at] == wanted or raw[at] == "\n"):
            if raw[at] == "'" and raw[at : at + 2] == "''" and raw[:1] == "'":
                at += 1
            fresh = raw[at] == "\n"
            at += 1
    offsets.append(at)
    return offsets


def _after_indent(raw: str, at: int, text: str, index: int) -> int:
    """Where the value's own leading blanks begin on a line: its last blanks, as many as the value has."""
    own = len(text[index:]) - len(text[index:].lstrip(" "))
    blanks = len(raw[at:]) - len(raw[at:].lstrip(" "))
    return at + max(0, blanks - own)


def _double_quoted(raw: str, text: str) -> list[int] | None:
    offsets: list[int] = []
    at = 1
    for wanted in text:
        if raw[at : at + 1] == "\\":
            while raw[at : at + 2] == "\\\n":  # an escaped line break stands for nothing
                at += 2 + len(raw[at + 2 :]) - len(raw[at + 2 :].lstrip(" \t"))
            offsets.append(at)
            at += _ESCAPE_LENGTH.get(raw[at + 1 : at + 2], 2) if raw[at : at + 1] == "\\" else 1
            continue
        if (
            wanted in " \n"
            and raw[at : at + 1] in {"\n", " "}
            and "\n" in raw[at : at + 1] + raw[at + 1 :].lstrip(" \t")[:1]
        ):
            offsets.append(at)
            stripped = raw[at:].lstrip(" \t\n")
            at = len(raw) - len(stripped)
            continue
        if raw[at : at + 1] != wanted:
            return None
        offsets.append(at)
        at += 1
    offsets.append(at)
    return offsets
