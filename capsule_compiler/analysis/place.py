"""Where in a document an offset is, told from the text alone: a reader of YAML that takes anything.

It knows block and flow style, quotes and block scalars, and never says that something is wrong. What it cannot make
out it passes over, so a text that is broken at the cursor still has a place there.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct, field

from somagent.governance.documents import Path

_KEY = re.compile(r"""(?P<key>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s'"{}\[\],#&*!|>%@`-][^:#]*?)\s*:(?=\s|$)[ \t]*""")
_DASH = re.compile(r"-(?:[ \t]+|$)")
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?$")


class Place(Struct, frozen=True):
    """A place for a key of the mapping at `path`, or for (a part of) the value at `path`."""

    path: Path
    kind: Literal["key", "value"]
    start: int  # where what is typed so far begins
    typed: str  # from there to the offset, without an opening quote
    flow: bool = False
    indent: int = 0  # of the line


class _Level(Struct):
    """A mapping's key or a list's item that is open by its indentation."""

    indent: int
    name: str | int


class _Frame(Struct):
    """An open `{` or `[`."""

    bracket: str
    key: str | None = None
    index: int = 0
    start: int = 0  # of the token that is being read


class _State(Struct):
    levels: list[_Level] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)
    flow_indent: int = 0
    block_indent: int | None = None  # of the line whose block scalar is being read
    block_start: int = 0
    quote: str = ""
    quote_start: int = 0


def place_at(text: str, offset: int) -> Place:
    """The place of an offset."""
    state = _State()
    at = 0
    lines = text[:offset].split("\n")
    for line in lines[:-1]:
        _read_line(state, line, at)
        at += len(line) + 1
    return _read_last(state, lines[-1], at)


def _read_line(state: _State, line: str, at: int) -> None:
    stripped = line.strip()
    indent = len(line) - len(line.lstrip(" "))
    if state.block_indent is not None:
        if not stripped or indent > state.block_indent:
            return
        state.block_indent = None
    if state.frames:
        if not stripped or state.quote or indent > state.flow_indent:
            _flow(state, line, 0, at)
            return
        state.frames.clear()  # never closed; what is no further in is a new line
    if not stripped or stripped[0] == "#":
        return
    begin = _open_levels(state, line, indent)
    key = _KEY.match(line, begin)
    if key is None:
        _value(state, line, begin, indent, at)
        return
    state.levels.append(_Level(begin, _plain(key["key"])))
    _value(state, line, key.end(), begin, at)


def _open_levels(state: _State, line: str, indent: int) -> int:
    """Closes what ends at this line and opens list items; where the rest of the line begins."""
    begin = indent
    levels = state.levels
    while True:
        while levels and levels[-1].indent > begin:
            levels.pop()
        dash = _DASH.match(line, begin)
        if dash is None:
            while levels and levels[-1].indent >= begin:
                levels.pop()
            return begin
        last = levels[-1] if levels else None
        if last is not None and last.indent == begin and isinstance(last.name, int):
            last.name += 1
        else:
            levels.append(_Level(begin, 0))
        begin = dash.end()
        if begin >= len(line):
            return begin


def _value(state: _State, line: str, begin: int, indent: int, at: int) -> None:
    rest = line[begin:]
    if _BLOCK.match(rest):
        state.block_indent, state.block_start = indent, at + len(line) + 1
    elif rest[:1] in ("{", "["):
        state.flow_indent = len(line) - len(line.lstrip(" "))
        _flow(state, line, begin, at)


def _flow(state: _State, line: str, begin: int, at: int) -> None:
    """Reads flow style to the end of the line, or to the end of the outermost bracket."""
    column = begin
    while column < len(line):
        char = line[column]
        if state.quote:
            if char == "\\" and state.quote == '"':
                column += 1
            elif char == state.quote:
                state.quote = ""
        elif not state.frames and column > begin:
            return
        else:
            _character(state, line, column, at)
        column += 1


def _character(state: _State, line: str, column: int, at: int) -> None:
    char = line[column]
    frame = state.frames[-1] if state.frames else None
    if char in "{[":
        state.frames.append(_Frame(char, start=at + column + 1))
    elif frame is None:
        return
    elif char in "}]":
        state.frames.pop()
    elif char == ",":
        frame.index += 1
        frame.key, frame.start = None, at + column + 1
    elif char in "'\"" and not line[max(0, frame.start - at) : column].strip():
        state.quote, state.quote_start = char, at + column + 1
    elif (
        char == ":" and frame.bracket == "{" and frame.key is None and line[column + 1 : column + 2] in ("", " ", "\t")
    ):
        frame.key = _plain(line[max(0, frame.start - at) : column].strip())
        frame.start = at + column + 1


def _read_last(state: _State, line: str, at: int) -> Place:
    """The line up to the offset."""
    indent = len(line) - len(line.lstrip(" "))
    if state.block_indent is not None and (not line.strip() or indent > state.block_indent):
        return Place(_path(state), "value", state.block_start, "", indent=indent)
    if state.frames and (state.quote or indent > state.flow_indent or not line.strip()):
        _flow(state, line, 0, at)
    else:
        state.frames.clear()
        state.block_indent = None
        begin = _open_levels(state, line, indent)
        key = _KEY.match(line, begin)
        if key is None and line[begin : begin + 1] not in ("{", "["):
            return _typed(state, line, (begin, at), "key")
        if key is not None:
            state.levels.append(_Level(begin, _plain(key["key"])))
            begin = key.end()
        if line[begin : begin + 1] not in ("{", "["):
            return _typed(state, line, (begin, at), "value")
        state.flow_indent = indent
        _flow(state, line, begin, at)
        if not state.frames:
            return Place(_path(state), "value", at + begin, line[begin:], indent=indent)
    return _in_flow(state, line, at, indent)


def _typed(state: _State, line: str, where: tuple[int, int], kind: Literal["key", "value"]) -> Place:
    begin, at = where
    indent = len(line) - len(line.lstrip(" "))
    typed = line[begin:]
    if typed[:1] in ("'", '"'):
        begin, typed = begin + 1, typed[1:]
    return Place(_path(state), kind, at + begin, typed, indent=indent)


def _in_flow(state: _State, line: str, at: int, indent: int) -> Place:
    if not state.frames:
        return Place(_path(state), "value", at + len(line), "", flow=True, indent=indent)
    frame = state.frames[-1]
    kind: Literal["key", "value"] = "key" if frame.bracket == "{" and frame.key is None else "value"
    path = _path(state)[:-1] if kind == "key" and frame.bracket == "{" else _path(state)
    if state.quote:
        return Place(path, kind, state.quote_start, line[max(0, state.quote_start - at) :], flow=True, indent=indent)
    typed = line[max(0, frame.start - at) :]
    start = max(frame.start, at) + len(typed) - len(typed.lstrip())
    return Place(path, kind, start, typed.lstrip(), flow=True, indent=indent)


def _path(state: _State) -> Path:
    names: list[str | int] = [level.name for level in state.levels]
    names += [frame.index if frame.bracket == "[" else (frame.key or "") for frame in state.frames]
    return tuple(names)


def _plain(key: str) -> str:
    return key[1:-1] if key[:1] in ("'", '"') and key[-1:] == key[:1] and len(key) > 1 else key


def keys_beside(text: str, place: Place) -> set[str]:
    """The keys of the mapping that a key in block style belongs to, its own line left out."""
    if place.flow or place.kind != "key":
        return set()
    lines = text.split("\n")
    here = text.count("\n", 0, place.start)
    column = place.start - (text.rfind("\n", 0, place.start) + 1)
    found: set[str] = set()
    for numbers in (range(here - 1, -1, -1), range(here + 1, len(lines))):
        for number in numbers:
            line = lines[number]
            indent = len(line) - len(line.lstrip(" "))
            if line.strip() and indent < column:
                break
            key = _KEY.match(line, column) if indent == column else None
            if key is not None:
                found.add(_plain(key["key"]))
    return found
