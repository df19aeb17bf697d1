"""Digests in texts, and the texts of folders: how it is found out which content something stands on.

A record may name a digest that is no content (of a plan, of a constitution): one name too many keeps a file, one too
few would lose it. So records are searched as text, whatever their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
MANIFEST = b'{"entries":['  # how the manifest of a folder begins: canonical JSON, its keys in order


def digests_in(text: bytes) -> list[str]:
    """Every digest that is written in a text."""
    return [digest.decode() for digest in DIGEST.findall(text)]


def stored_in(value: object) -> Iterator[str]:
    """Digests of large values and artifacts in the outputs of a step."""
    if isinstance(value, dict):
        for key in ("$content", "artifact"):
            if isinstance(value.get(key), str) and DIGEST.fullmatch(value[key].encode()):
                yield value[key]
        for one in value.values():
            yield from stored_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from stored_in(one)
