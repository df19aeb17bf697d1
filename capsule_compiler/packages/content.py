"""The digest of a package: of all its files, their paths and whether they can be run, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from somagent.governance.canonical import canonical_json, digest_of

if TYPE_CHECKING:  # a draft knows packages
    from somagent.capsule_compiler.draft import FileBeside


def file_digests(files: Sequence[FileBeside]) -> dict[str, str]:
    """The digest of each file, by its path, in the order of the paths."""
    return {file.path: file_digest(file) for file in sorted(files)}


def file_digest(file: FileBeside) -> str:
    """sha256 of the content; a file that can be run has `+x` at its end, since that decides what it does."""
    return digest_of(file.content) + ("+x" if file.executable else "")


def tree_digest(files: Mapping[str, str]) -> str:
    """sha256 over the digests of all files: the same for the same content, wherever it lies."""
    return digest_of(canonical_json({"format": "package/v1", "files": dict(files)}))


def changed_file(pinned: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first file that is another than it was, and how, as words; empty when all are the same."""
    for path in sorted({*pinned, *now}):
        if path not in now:
            return f"`{path}` is missing"
        if path not in pinned:
            return f"`{path}` is new"
        if pinned[path] != now[path]:
            return f"`{path}` has changed"
    return ""
