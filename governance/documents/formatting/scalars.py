"""Scalars in their layout: the value is kept exactly, and so is the style, but for single quotes that need not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from somagent.governance.documents.nodes import ScalarNode

_HEADER = re.compile(r"([|>])([-+0-9]*)[ \t]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class Literal(NamedTuple):
    """A block scalar: what stands after the key, and its lines without their indentation."""

    header: str
    lines: list[str]
    keeps: bool  # line breaks at the end are part of the value


def raw(text: str, node: ScalarNode) -> str:
    """What was written; single quotes become double ones where that needs no escape."""
    written = text[node.span.start : node.span.end]
    if written[:1] == "'" and "\n" not in written and '"' not in node.text and "\\" not in node.text:
        return f'"{node.text}"'
    return written


def is_literal(text: str, node: ScalarNode) -> bool:
    """Whether the value is a block scalar (`|` or `>`)."""
    return node.span.end > node.span.start and text[node.span.start] in "|>"


def key_of(text: str, node: ScalarNode) -> tuple[str, bool]:
    """A key, and whether it is too much for a line and needs `?` before it."""
    written = raw(text, node)
    if "\n" in written or is_literal(text, node):
        written = quoted(node.text)
    return written, len(written) > 1000  # libyaml reads no key beyond 1,024 without it


def quoted(value: str) -> str:
    """The value in double quotes, on one line."""
    return f'"{"".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in value)}"'


def lines_of(written: str) -> list[str]:
    """The lines of a plain or quoted text without the white space that means nothing."""
    first, *rest = written.split("\n")
    double = written[0] == '"'
    lines = [_end_trimmed(first, double=double)]
    lines += [_end_trimmed(line.lstrip(" \t"), double=double) for line in rest[:-1]]
    return [*lines, rest[-1].lstrip(" \t")] if rest else [written]


def literal_of(text: str, node: ScalarNode) -> Literal:
    """A block scalar as it will stand; with quotes where only spaces are in it."""
    header = _HEADER.match(text, node.span.start)
    assert header is not None  # noqa: S101  the caller asked `is_literal`
    style, chomping = header[1], "".join(char for char in header[2] if char in "+-")
    value = node.text
    firm = next((line for line in value.split("\n") if line.strip(" ")), None)
    if firm is None and value.strip("\n"):
        return Literal(quoted(value), [], keeps=False)
    ends = len(value) - len(value.rstrip("\n"))
    if value and not ends and chomping != "-":
        chomping = "-"  # the file ends without a line break; with one, the value would get it too
    keeps = chomping == "+"
    if firm is None:
        return Literal(style + chomping, [""] * ends, keeps=keeps)
    deeper = len(firm) - len(firm.lstrip(" "))
    body = list(_body(text, text.find("\n", header.end()) + 1, deeper))
    while body and not body[-1]:
        body.pop()
    body += [""] * (ends - 1) if keeps else []
    indented = next(line for line in body if line).startswith(" ")
    return Literal(style + ("2" if indented else "") + chomping, body, keeps=keeps)


def _body(text: str, at: int, deeper: int) -> Iterator[str]:
    """The lines from `at` on that belong to a block scalar; its first firm line has `deeper` spaces of its own."""
    indentation: int | None = None
    waiting: list[str] = []
    while at < len(text):
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)]
        at = end + 1 if end >= 0 else len(text)
        firm = len(line) - len(line.lstrip(" "))
        if firm == len(line):
            waiting.append(line)
            continue
        if indentation is None:
            indentation = firm - deeper
        elif firm < indentation:
            break
        yield from (blank[indentation:] for blank in waiting)
        waiting = []
        yield line[indentation:]
    yield from (blank[indentation or 0 :] for blank in waiting)


def width(text: str) -> int:
    """How many columns a text takes; signs of East Asia take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 0 if combining(char) else 1 for char in text)


def _end_trimmed(line: str, *, double: bool) -> str:
    short = line.rstrip(" \t")
    backslashes = len(short) - len(short.rstrip("\\"))
    return line[: len(short) + 1] if double and backslashes % 2 and short != line else short


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
