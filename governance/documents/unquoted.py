"""Values that YAML cannot read because they are not quoted: holes `${{ }}` between braces, expressions with `? :`.

They are what authors of other workflow languages write most often, and libyaml stops somewhere behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from somagent.governance.documents.diagnostic import Diagnostic, Edit
from somagent.governance.documents.source import Source, Span

_HOLE = "${{"
_QUOTED = re.compile(r"""(?<=[\s\[{,:])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<=\s)#[^\r\n]*""")
_VALUE = re.compile(
    r"(?P<key>(?:^|[ \t\-])[\w.-]+:[ \t]+)(?P<value>[^\s\"'\[{|>#&*!%@`][^\r\n]*?)(?:[ \t]+#[^\r\n]*)?[ \t]*\r?$", re.M
)


def unquoted_in_flow(source: Source, opening: int, at: int) -> Diagnostic | None:
    """The first hole that stands plain between the beginning of a flow mapping or list and where reading ended."""
    for start in _plain_holes(source.text, opening, at + len(_HOLE)):
        end = source.text.find("}}", start)
        line_end = source.text.find("\n", start)
        if end < 0 or end > (line_end if line_end >= 0 else len(source.text)):
            return None
        tail = re.compile(r"[^,\[\]{}\r\n]*").match(source.text, end + 2)
        span = Span(start, len(source.text[start : tail.end() if tail else end + 2].rstrip()) + start)
        return _quote(source, span, "between `{ }` or `[ ]` a hole has to be quoted")
    return None


def unquoted_on_line(source: Source, at: int) -> Diagnostic | None:
    """The plain value of a key, when reading ended at a `:` in it."""
    begin = source.text.rfind("\n", 0, at) + 1
    match = _VALUE.search(source.text, begin)
    if match is None or not match.start("value") < at < match.end("value"):
        return None
    span = Span(*match.span("value"))
    value = source.text[span.start : span.end]
    if _HOLE not in value and " ? " not in value:
        return None
    return _quote(source, span, "text with `: ` in it has to be quoted, an expression too")


def _plain_holes(text: str, start: int, end: int) -> Iterator[int]:
    """Where values begin that have a hole and are not quoted."""
    blank = _QUOTED.sub(lambda match: " " * len(match[0]), text[max(0, start - 1) : end])
    for match in re.finditer(r"(?<=[\s\[{,:])[^\s\[{,:]*\$\{\{", blank):
        yield max(0, start - 1) + match.start()


def _quote(source: Source, span: Span, message: str) -> Diagnostic:
    value = source.text[span.start : span.end]
    plain = '"' not in value and "\\" not in value
    written = f'"{value}"' if plain else "'" + value.replace("'", "''") + "'"
    edit = Edit(span, written, "quote it", safe=True)
    return Diagnostic("yaml-syntax", message, span, note="quote it", help=f"write {written}", edit=edit)
