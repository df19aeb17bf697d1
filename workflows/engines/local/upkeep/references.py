"""Which content a journal stands on: every digest that one of its records names, and what the folders among it name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from somagent.operators.runner.objects import ObjectStore
from somagent.workflows.engines.digests import MANIFEST, digests_in
from somagent.workflows.engines.local.store import Db

_RECORDS = (("plans", "content"), ("runs", "record"), ("runs", "outcome"), ("attempts", "record"),
            ("results", "record"), ("decisions", "record"))  # fmt: skip


def referenced(db: Db, contents: Path) -> set[str]:
    """Digests of all content that the records of a journal lead to; it may be missing from the store."""
    store = ObjectStore(contents)
    found: set[str] = set()
    left = [digest for text in _texts(db) for digest in digests_in(text)]
    while left:
        digest = left.pop()
        if digest not in found:
            found.add(digest)
            left += digests_in(manifest(store.path(digest)))
    return found


def _texts(db: Db) -> Iterator[bytes]:
    for table, column in _RECORDS:
        for (text,) in db.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):  # noqa: S608 - constants
            yield text.encode() if isinstance(text, str) else bytes(text)  # text: somebody else wrote it


def manifest(path: Path) -> bytes:
    """The text of a stored folder's manifest; nothing for other content, whatever is in it."""
    try:
        with path.open("rb") as file:
            if file.read(len(MANIFEST)) != MANIFEST:
                return b""
            file.seek(0)
            return file.read()
    except OSError:
        return b""
