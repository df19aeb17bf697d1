"""Finds where a character of a scalar's value stands in the source, whatever its YAML style.

Worked out only when a mistake inside a scalar is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from msgspec.structs import replace

from somagent.governance.documents.diagnostic import Diagnostic, Edit, Label
from somagent.governance.documents.nodes import ScalarNode
from somagent.governance.documents.source import Source, Span

_RUN = re.compile(r"[ \t\r\n]+|[^ \t\r\n]+")
_QUOTED = re.compile(
    r"\\\r?\n[ \t]*"  # an escaped line break stands for nothing
    r"|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(?s:.))"
    r"|[ \t\r\n]+|[^\\]"
)
_BLANK = re.compile(r"[ \t\r\n]*")
_HEADER = re.compile(r"[|>][-+0-9]{0,2}[ \t]*(?:#[^\n]*|\r)?\n[ \t\r\n]*")
_LINE_BREAK = re.compile(r"\r\n|\n")
_SPECIAL = frozenset(",[]{}")


def locate(source: Source, node: ScalarNode, inner: Span) -> Span:
    """The source span of a span of the scalar's text; the whole scalar when it cannot be told."""
    return _places(source, node).of(inner)


def locator(source: Source, node: ScalarNode) -> Callable[[Span], Span]:
    """`locate` for many spans of one scalar: the scalar is looked through once."""
    return _places(source, node).of


def below_header(text: str, span: Span) -> Span:
    """Of a whole block scalar the characters that are its text; any other span as it is."""
    header = _HEADER.match(text, span.start, span.end)
    return Span(header.end(), span.end) if header is not None and header.end() < span.end else span


def in_document(source: Source, node: ScalarNode, found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics whose spans are offsets into a scalar's text, moved to their places in the document.

    A suggested edit is written in the scalar's own style. Where a plain scalar cannot hold it, the edit puts the whole
    scalar in quotes, and the help shows it so; where no style can, it is left out.
    """
    if not found:
        return []
    places = _places(source, node)
    return [
        replace(
            places.with_edit(one),
            span=places.of(one.span),
            labels=tuple(Label(places.of(label.span), label.text) for label in one.labels),
        )
        for one in found
    ]


@lru_cache(maxsize=8)
def _places(source: Source, node: ScalarNode) -> _Places:
    """Looked through once for all the mistakes in one scalar, which come one after the other."""
    return _Places(source, node)


class _Places:
    """Where each character of one scalar's text stands."""

    def __init__(self, source: Source, node: ScalarNode) -> None:
        self._node = node
        self._text = source.text
        self._raw = source.text[node.span.start : node.span.end]
        self._known: list[Span] | None = None  # of each character, within `_raw`
        if self._raw != node.text:
            self._known = list(_double_quoted(self._raw) if self._raw[:1] == '"' else _by_runs(self._raw, node.text))

    def of(self, inner: Span) -> Span:
        """At least one character wide, so that there is something to underline."""
        start = self._node.span.start
        if self._raw == self._node.text:
            return Span(start + inner.start, start + max(inner.end, inner.start + 1))
        places = self._known
        if not places or len(places) != len(self._node.text):
            return below_header(self._text, self._node.span)
        first = places[min(inner.start, len(places) - 1)]
        if inner.start >= len(places):
            return Span(start + first.end, start + first.end + 1)
        last = places[min(max(inner.end, inner.start + 1), len(places)) - 1]
        return Span(start + first.start, start + max(last.end, first.end))

    def with_edit(self, one: Diagnostic) -> Diagnostic:
        if one.edit is None:
            return one
        edit = one.edit
        text = _written(edit.text, self._raw[:1], self._node.text)
        if text is not None:
            return replace(one, edit=replace(edit, span=self.of(edit.span), text=text))
        if self._raw != self._node.text or "\n" in edit.text:
            return replace(one, edit=None)
        whole = self._raw[: edit.span.start] + edit.text + self._raw[edit.span.end :]
        from somagent.governance.documents.yaml_quotes import plainest  # noqa: PLC0415 - reads YAML, 13 ms

        text = plainest(whole, in_block=not _SPECIAL.isdisjoint(self._raw))
        help_ = one.help.replace(edit.text, text)
        return replace(one, help=help_, edit=Edit(self._node.span, text, f"write {text}", safe=edit.safe))


def _written(text: str, opening: str, around: str) -> str | None:
    """A piece of text as it is written inside a scalar, None where the style has no way to write it."""
    if "\n" in text:
        return None
    if opening == '"':
        return text.replace("\\", "\\\\").replace('"', '\\"')
    if opening == "'":
        return text.replace("'", "''")
    if opening in {"|", ">"}:
        return text
    brackets = _SPECIAL.isdisjoint(text) or not _SPECIAL.isdisjoint(around)  # else it may stand inside `{ }` or `[ ]`
    return text if brackets and ": " not in text and " #" not in text else None


def _double_quoted(raw: str) -> Iterator[Span]:
    for match in _QUOTED.finditer(raw, 1, len(raw) - 1):
        token = match.group()
        if token[0] == "\\":
            if token[1] not in "\r\n":
                yield Span(*match.span())
            continue
        breaks = _LINE_BREAK.findall(token)
        if not breaks:
            yield from (Span(at, at + 1) for at in range(*match.span()))
        else:  # one line break folds into a blank, of more than one the first is dropped
            yield from [Span(*match.span())] * max(1, len(breaks) - 1)


def _by_runs(raw: str, text: str) -> Iterator[Span]:
    """For styles whose characters other than white space are those of the value, in order."""
    at = 0
    if raw[:1] == "'":
        at = 1
    elif raw[:1] in {"|", ">"}:
        at = raw.find("\n") + 1
    for run in _RUN.finditer(text):
        if run.group()[0] not in " \t\r\n":
            gap = _BLANK.match(raw, at)
            at = gap.end() if gap else at
            for char in run.group():
                width = 2 if char == "'" and raw[:1] == "'" else 1
                yield Span(at, at + width)
                at += width
            continue
        gap = _BLANK.match(raw, at)
        end = gap.end() if gap else at
        own = len(run.group()) - 1 - run.group().rfind("\n")  # blanks that belong to the line that follows
        for index in range(len(run.group())):
            from_end = len(run.group()) - index
            place = max(at, end - from_end) if from_end <= own else min(at + index, max(at, end - 1))
            yield Span(place, place + 1)
        at = end
