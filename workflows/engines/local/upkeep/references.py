"""Which content a journal stands on: every digest that one of its records names, and what the folders among it name.

A record may name a digest that is no content (of a plan, of a constitution): one name too many keeps a file, one too
few would lose it. So records are searched as text, whatever their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from somagent.operators.runner.objects import ObjectStore
from somagent.workflows.engines.local.store import Db

DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
_RECORDS = (("plans", "content"), ("runs", "record"), ("runs", "outcome"), ("attempts", "record"),
            ("results", "record"), ("decisions", "record"))  # fmt: skip
_MANIFEST = b'{"entries":['  # how the manifest of a folder begins: canonical JSON, its keys in order


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
            yield bytes(text)


def digests_in(text: bytes) -> list[str]:
    """Every digest that is written in a text."""
    return [digest.decode() for digest in DIGEST.findall(text)]


def manifest(path: Path) -> bytes:
    """The text of a stored folder's manifest; nothing for other content, whatever is in it."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MANIFEST)) != _MANIFEST:
                return b""
            file.seek(0)
            return file.read()
    except OSError:
        return b""
