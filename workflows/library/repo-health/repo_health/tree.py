"""The files of HEAD, as one `git ls-tree` tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .git import Git
from .text import decode_path

FILE, SYMLINK, SUBMODULE = "file", "symlink", "submodule"
KINDS = {"100644": FILE, "100664": FILE, "100755": FILE, "120000": SYMLINK, "160000": SUBMODULE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of HEAD. `size` is in bytes; a submodule has none."""

    path: str
    kind: str
    executable: bool
    oid: str
    size: int


def entries(git: Git, commit: str) -> Iterator[Entry]:
    """Every path of the commit, in git's order."""
    with git.stream("ls-tree", "-r", "-l", "-z", "--full-tree", commit) as output:
        for record in output.read().split(b"\0"):
            if not record:
                continue
            head, _, path = record.partition(b"\t")
            mode, _, oid, size = head.decode("ascii").split()
            yield Entry(
                path=decode_path(path),
                kind=KINDS.get(mode, FILE),
                executable=mode == "100755",
                oid=oid,
                size=int(size) if size.isdigit() else 0,
            )
