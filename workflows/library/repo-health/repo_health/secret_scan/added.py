"""Every line that history ever added, with its place, out of one `git log -p` stream.

Merges are read with `--cc`, which shows what a merge changed by itself, so that a line smuggled in by a merge is seen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from ..git import Git
from ..text import decode_path

BLOCK = 1 << 20  # bytes
_START = re.compile(rb"\+(\d+)")  # in a hunk's header: where its lines begin in the new file
_NO_LINE_END = b"\n\\ No newline at end of file"
_ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


@dataclass(frozen=True, slots=True)
class Added:
    """Lines that one commit added to one file, hunks joined by an empty line.

    `starts` are (line within `text` from 1, line in that commit's file), one for each run of lines.
    """

    commit: str
    path: str
    text: bytes
    starts: list[tuple[int, int]]

    def line(self, within: int) -> int:
        """The line number in the commit's file of a line of `text`."""
        first, number = self.starts[bisect_right(self.starts, (within, 1 << 62)) - 1]
        return number + within - first


@dataclass(slots=True)
class Seen:
    """How much was read."""

    commits: int = 0
    bytes: int = 0


def added_lines(git: Git, limit: int, seen: Seen) -> Iterator[Added]:
    """What was added by the newest `limit` commits of all refs, newest first."""
    command = (
        "log", "-p", "-U0", "--cc", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-history",
        "--diff-filter=d", "--format=%x01%H", f"--max-count={limit}", "--all",
    )  # fmt: skip
    with git.stream(*command) as output:
        commit = ""
        rest = b"\n"
        while block := output.read(BLOCK):
            seen.bytes += len(block)
            *sections, rest = (rest + block).split(b"\ndiff --")
            for section in sections:
                yield from _section(section, commit)
                commit = _next_commit(section, seen) or commit
        yield from _section(rest, commit)
        _next_commit(rest, seen)


def _next_commit(section: bytes, seen: Seen) -> str:
    """The commit that follows the section's lines; several when some changed nothing."""
    found = re.findall(rb"\n\x01([0-9a-f]{40,64})", section) if b"\n\x01" in section else []
    seen.commits += len(found)
    return found[-1].decode("ascii") if found else ""


def _section(section: bytes, commit: str) -> Iterator[Added]:
    """The lines added by one `diff --git` or `diff --cc` section, from behind those words."""
    section = section.partition(b"\n\x01")[0]  # the next commit's header
    if not section.startswith((b"git ", b"cc ")):
        return
    head, *hunks = section.split(b"\n@@")
    named = head.find(b"\n+++ ")
    path = _path(head[named + 5 :].partition(b"\n")[0]) if named >= 0 else ""
    if not path:
        return
    parts: list[bytes] = []
    starts: list[tuple[int, int]] = []
    line = 1
    for hunk in hunks:
        header, _, body = hunk.partition(b"\n")
        if not (found := _START.search(header)):
            continue
        runs = _plain(body, int(found[1])) if header.startswith(b" ") else _combined(header, body, int(found[1]))
        for number, text in runs:
            parts.append(text)
            starts.append((line, number))
            line += text.count(b"\n") + 2  # runs do not touch: nothing may match across them
    if parts:
        yield Added(commit, path, b"\n\n".join(parts), starts)


def _plain(body: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """The added lines of a hunk without context: deleted ones come first, then all the added ones."""
    body = (b"\n" + body).replace(_NO_LINE_END, b"").rstrip(b"\n")
    first = body.find(b"\n+")
    if first >= 0:
        yield number, body[first + 2 :].replace(b"\n+", b"\n")


def _combined(header: bytes, body: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a merge's hunk that no parent has, each by itself; `@@@` has one column for each parent."""
    columns = len(header) - len(header.lstrip(b"@")) + 1
    for line in body.split(b"\n"):
        prefix = line[:columns]
        if b"-" in prefix or prefix.startswith(b"\\"):
            continue
        if prefix == b"+" * columns:
            yield number, line[columns:]
        number += 1


def _path(raw: bytes) -> str:
    raw = raw.rstrip(b"\t\r")
    if raw.startswith(b'"'):
        raw = _unquote(raw[1:-1])
    return decode_path(raw[2:]) if raw.startswith(b"b/") else ""


def _unquote(raw: bytes) -> bytes:
    return re.sub(
        rb"\\([0-7]{3}|.)",
        lambda m: bytes([int(m[1], 8) if m[1].isdigit() else _ESCAPES.get(m[1], m[1][0])]),
        raw,
        flags=re.DOTALL,
    )
