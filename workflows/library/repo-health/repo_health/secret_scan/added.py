"""Every line that history ever added, with its place, out of one `git log -p` stream.

Merges are read with `--cc`, which shows what a merge changed by itself, so that a line smuggled in by a merge is seen.
Only sections in which a rule's keyword occurs are taken apart; the rest passes at the speed of git.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from repo_health.git import Git
from repo_health.secret_scan.scan import has_keyword
from repo_health.text import decode_path

BLOCK = 1 << 20
_HUNK = re.compile(rb"^(@@+) (?:-\d+(?:,\d+)? )+\+(\d+)")
_ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


@dataclass(frozen=True, slots=True)
class Added:
    """Lines one commit added to one file: `text` is them joined, `numbers` their line numbers in that commit."""

    commit: str
    path: str
    text: bytes
    numbers: list[int]


@dataclass(slots=True)
class Seen:
    """How much was read."""

    commits: int = 0
    bytes: int = 0


def added_lines(git: Git, limit: int, seen: Seen) -> Iterator[Added]:
    """Sections worth scanning among the newest `limit` commits of all refs, newest first."""
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
    if not section.startswith((b"git ", b"cc ")) or not has_keyword(section):
        return
    path, columns, number = "", 1, 0
    lines: list[bytes] = []
    numbers: list[int] = []
    for line in section.split(b"\n"):
        if line.startswith(b"\x01"):
            break
        if line.startswith(b"@@") and (hunk := _HUNK.match(line)):
            columns, number = len(hunk[1]) - 1, int(hunk[2])
            if lines:  # hunks do not touch: nothing may match across them
                lines.append(b"")
                numbers.append(number)
        elif columns and number:
            prefix = line[:columns]
            if b"-" in prefix or prefix.startswith(b"\\"):
                continue
            if prefix == b"+" * columns:
                lines.append(line[columns:])
                numbers.append(number)
            number += 1
        elif line.startswith(b"+++ "):
            path = _path(line[4:])
    if path and lines:
        yield Added(commit, path, b"\n".join(lines), numbers)


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
