"""Who changed what and when, read from `git log` as a stream.

Authors are told apart by the mailmapped e-mail address, which never leaves this module; only names are kept. A merge
counts as a commit but not as a change to files, since its changes are those of the merged commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from .git import Git
from .text import decode_path

MASS_CHANGE = 500  # files; a commit that touches more (import, reformatting) says nothing about one file
_START = re.compile(rb"\x01[0-9a-f]{40,64}")
_HEADER = "%x01%H%x00%at%x00%ct%x00%aN%x00%aE%x00%P"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of HEAD's history. Times are seconds since 1970; `changes` are (path, added, deleted) in lines."""

    oid: str
    authored: int
    committed: int
    name: str
    author: str  # what tells authors apart
    merge: bool
    changes: list[tuple[str, int, int]] = field(default_factory=list)


def commits(git: Git, head: str, limit: int) -> Iterator[Commit]:
    """The newest `limit` commits, newest first, with the paths each touched (line counts are 0)."""
    yield from _read(git, "log", "-z", "--name-only", f"--format={_HEADER}", f"--max-count={limit}", head)


def commits_with_lines(git: Git, head: str, limit: int, since: int) -> Iterator[Commit]:
    """The same for commits made after `since`, with the lines each added to and deleted from every path."""
    yield from _read(
        git, "log", "-z", "--numstat", f"--format={_HEADER}", f"--max-count={limit}", f"--since={since}", head
    )


def _read(git: Git, *arguments: str) -> Iterator[Commit]:
    command = (*arguments[:1], "--no-renames", "--no-ext-diff", "--no-textconv", *arguments[1:], "--")
    with git.stream(*command) as output:
        tokens = _tokens(output)
        commit: Commit | None = None
        for token in tokens:
            if _START.fullmatch(token):
                if commit:
                    yield commit
                commit = _commit(token, [next(tokens, b"") for _ in range(5)])
            elif commit and (change := token.removeprefix(b"\n")):
                commit.changes.append(_change(change, with_lines="--numstat" in arguments))
        if commit:
            yield commit


def _tokens(output: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := output.read(1 << 18):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _commit(token: bytes, fields: list[bytes]) -> Commit:
    authored, committed, name, email, parents = fields
    shown = name.decode("utf-8", "replace").strip() or "(no name)"
    return Commit(
        oid=token[1:].decode("ascii"),
        authored=_seconds(authored),
        committed=_seconds(committed),
        name=shown,
        author=email.decode("utf-8", "replace").strip().lower() or shown,
        merge=b" " in parents,
    )


def _seconds(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        return 0  # git writes an empty time for a commit whose own is damaged


def _change(token: bytes, *, with_lines: bool) -> tuple[str, int, int]:
    if not with_lines:
        return decode_path(token), 0, 0
    added, deleted, path = token.split(b"\t", 2)
    return decode_path(path), _count(added), _count(deleted)


def _count(text: bytes) -> int:
    return 0 if text == b"-" else int(text)  # git counts no lines in binary files
