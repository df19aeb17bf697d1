"""`capsule.lock`: which versions the capsules of a folder use, and what exactly is in them.

One file serves all capsules of a folder. It has a section for each, so that locking one changes nothing for the
others, and one entry for each version of a package, whoever uses it. Equal content has equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from somagent.capsule_compiler.model.capsule import PackageName
from somagent.capsule_compiler.packages.content import tree_digest
from somagent.capsule_compiler.packages.reading import read_document
from somagent.capsule_compiler.packages.versions import RANGE, VERSION
from somagent.governance.documents import Diagnostic, Source, Span, bounded, node_at
from somagent.governance.documents.formatting.scalars import quoted

FILE = "capsule.lock"
HEAD = (
    "# Written by `somagent lock`; change it by no other means. It pins what the capsules of this folder use, so that\n"
    "# everybody gets the same. Keep it with them in version control.\n"
)

_FIELDS = frozenset({"capsules", "packages", "requires", "files", "source", "digest"})
_Text = Meta(extra_json_schema={"type": "string"})
Digest = Annotated[
    str, Meta(pattern=r"^sha256:[0-9a-f]{64}(\+x)?$", extra_json_schema={"x-somagent": {"noun": "a digest"}})
]
Pinned = Annotated[
    str, Meta(pattern=f"^{VERSION}$", extra_json_schema={"x-somagent": {"noun": "a version like `1.3.0`"}})
]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What all parts have in common."""


class CapsuleLock(_Part, frozen=True, kw_only=True):
    """What one capsule uses: what it asks for, and what was chosen."""

    requires: dict[PackageName, list[Annotated[str, Meta(pattern=f"^({RANGE})?$")]]] = {}
    packages: dict[PackageName, Pinned] = {}
    files: dict[str, Digest] = {}  # used from beside the capsule


class PackageLock(_Part, frozen=True, kw_only=True):
    """What is in one version of a package."""

    source: str
    digest: Digest
    files: dict[str, Digest]


class Lock(_Part, frozen=True, kw_only=True):
    """The lock of a folder. Packages are keyed by `namespace/name version`."""

    capsules: dict[str, CapsuleLock] = {}
    packages: dict[str, PackageLock] = {}


class LockFile(_Part, frozen=True, kw_only=True):
    """The lock as a document."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _Text]
    kind: Annotated[Literal["CapsuleLock"], _Text]
    capsules: dict[str, CapsuleLock] = {}
    packages: dict[str, PackageLock] = {}


def read_lock(name: str, content: bytes) -> tuple[Source, Lock | None, list[Diagnostic]]:
    """The lock in these bytes unless anything is wrong with it, and what is wrong with it at its place."""
    source, root, file, found = read_document(name, content, LockFile)
    if file is None or root is None:
        return source, None, found
    lock = Lock(capsules=file.capsules, packages=file.packages)

    def at(*path: str) -> Span:
        node = node_at(root, path)
        return node.span if node is not None else root.span

    for capsule, section in lock.capsules.items():
        for package, version in section.packages.items():
            if f"{package} {version}" not in lock.packages:
                message = f"`{package}` {version} is chosen here, and nothing below `packages` says what is in it"
                found.append(Diagnostic("lock-wrong", message, at("capsules", capsule, "packages", package)))
    for key, package_lock in lock.packages.items():
        if tree_digest(package_lock.files) != package_lock.digest:
            message = f"the digest of `{key}` is not that of its files: the lock was changed by hand"
            found.append(Diagnostic("lock-wrong", message, at("packages", key, "digest")))
    return source, None if found else lock, bounded(found)


def write_lock(lock: Lock) -> bytes:
    """The one text of a lock: sorted, every text quoted."""
    body = "apiVersion: somagent.io/v1alpha1\nkind: CapsuleLock\n"
    parts = {"capsules": lock.capsules, "packages": lock.packages}
    return (HEAD + body + "".join(f"{line}\n" for line in _lines(msgspec.to_builtins(parts)))).encode()


def with_capsule(lock: Lock, file: str, section: CapsuleLock, contents: Mapping[str, PackageLock]) -> Lock:
    """The lock with another section for one capsule; packages that nobody uses any more are left out."""
    capsules = {**lock.capsules, file: section}
    if not (section.requires or section.packages or section.files):
        del capsules[file]
    known = {**lock.packages, **contents}
    wanted = {f"{name} {version}" for one in capsules.values() for name, version in one.packages.items()}
    return Lock(capsules=capsules, packages={key: known[key] for key in sorted(wanted)})


def _lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, part in sorted(value.items()):
        shown = key if key in _FIELDS else _quoted(key)
        if isinstance(part, dict) and part:
            yield f"{indent}{shown}:"
            yield from _lines(part, indent + "  ")
        else:
            yield f"{indent}{shown}: {_quoted(part)}"


def _quoted(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)
