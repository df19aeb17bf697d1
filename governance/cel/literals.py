"""Written constants to values: numbers in range, strings with CEL's escapes and nothing else."""

from __future__ import annotations

import math
import re

from somagent.governance.documents import Span

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
_MOST_DIGITS = 19

_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|((?s:.))|\Z)")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {c: c for c in "\"'\\?`"}
_LINE_BREAK = re.compile(r"\r\n?")
_PIECE = re.compile(rf"{_ESCAPE.pattern}|{_LINE_BREAK.pattern}")
_UNPAIRED = re.compile("[\ud800-\udfff]")


class LiteralFault(Exception):
    """What is wrong with a constant; `span` counts from the constant's first character."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


def read_int(raw: str) -> int:
    """A decimal or hexadecimal int64, perhaps with a minus sign."""
    base = 16 if "x" in raw else 10
    digits = raw.lstrip("-").removeprefix("0x").lstrip("0") or "0"
    if len(digits) <= _MOST_DIGITS:  # Python itself refuses to read thousands
        value = -int(digits, base) if raw.startswith("-") else int(digits, base)
        if INT_MIN <= value <= INT_MAX:
            return value
    raise LiteralFault("this number does not fit into 64 bits", Span(0, len(raw)))


def read_double(raw: str) -> float:
    """The nearest IEEE double; one beyond the largest is refused, since it can only be a mistake."""
    value = float(raw)
    if math.isinf(value):
        raise LiteralFault("this number is larger than any double", Span(0, len(raw)))
    return value


def read_string(raw: str) -> str:
    """The value of a string constant in any of CEL's quotes, raw or not; a line break inside is a line feed."""
    is_raw = raw[0] in "rR"
    start = 1 if is_raw else 0
    width = 3 if raw[start : start + 3] in ('"""', "'''") and len(raw) >= start + 6 else 1
    body = raw[start + width : len(raw) - width]
    unpaired = _UNPAIRED.search(body)
    if unpaired:
        at = start + width + unpaired.start()
        raise LiteralFault("half of a surrogate pair is not a character", Span(at, at + 1))
    if not is_raw and "\\" in body:
        return _unescape(body, start + width)
    return _LINE_BREAK.sub("\n", body)


def place_inside(raw: str, span: Span) -> Span:
    """Where characters of a string constant's value stand in the constant as it is written."""
    is_raw = raw[0] in "rR"
    start = 1 if is_raw else 0
    width = 3 if raw[start : start + 3] in ('"""', "'''") and len(raw) >= start + 6 else 1
    pieces = _LINE_BREAK if is_raw else _PIECE
    starts, at = [], start + width
    while at < len(raw) - width:
        starts.append(at)
        match = pieces.match(raw, at)
        at = match.end() if match else at + 1
    starts += [at] * (span.end + 1 - len(starts))
    return Span(starts[span.start], max(starts[span.end], starts[span.start] + 1))


def _unescape(body: str, offset: int) -> str:
    parts: list[str] = []
    at = 0
    for match in _ESCAPE.finditer(body):
        parts.append(_LINE_BREAK.sub("\n", body[at : match.start()]))
        parts.append(_character(match, offset))
        at = match.end()
    parts.append(_LINE_BREAK.sub("\n", body[at:]))
    return "".join(parts)


def _character(match: re.Match[str], offset: int) -> str:
    hex2, hex4, hex8, octal, simple = match.groups()
    span = Span(match.start() + offset, match.end() + offset)
    if octal:
        return chr(int(octal, 8))
    digits = hex2 or hex4 or hex8
    if digits:
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise LiteralFault(f"`{match.group()}` is not a Unicode character", span)
        return chr(code)
    if simple in _SIMPLE:
        return _SIMPLE[simple]
    raise LiteralFault(f"`{match.group()}` is not an escape", span)
