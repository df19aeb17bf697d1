"""Files named by the digest of their bytes: they appear whole or not at all, and a damaged one is noticed.

Several processes may write to one store at the same time, because equal names mean equal bytes: a file is written
under a name of its own, made durable, and then renamed.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Protocol

from somagent.capsule_compiler.plan import digest_of
from somagent.operators.runner.folders import make_lasting, sync

CHUNK_BYTES = 1024 * 1024
_MANY = 16  # from here on, one sync of the file system costs less than one for each file (10 times less for 1,000)


class ContentError(Exception):
    """Content that should be in the store is missing or damaged; the message names it."""


class OriginFault(Exception):
    """The origin does not answer, or refuses: whoever wanted something of it has not failed by that."""


class Origin(Protocol):
    """A store that others share, of which a folder only holds what was used here. Raises `OriginFault`."""

    def fetch(self, digest: str, path: Path) -> bool:
        """Writes content into a new file; False when it is not there either."""
        ...

    def store(self, digest: str, path: Path) -> None:
        """Stores the file, durably."""
        ...


class ObjectStore:
    """A store in the folder `root`, which is made when it is first written to; what is not there comes from `origin`.

    Digests are `sha256:` and 64 hex digits. `OSError` (no space left, say) is passed on, and leaves nothing behind.
    """

    def __init__(self, root: Path, origin: Origin | None = None) -> None:
        self.root, self.origin = root, origin

    def path(self, digest: str) -> Path:
        """Where content of that digest is, if it is here."""
        algorithm, _, name = digest.partition(":")
        if algorithm != "sha256" or len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise ContentError(f"`{digest}` is not a content digest")
        return self.root / "objects" / name[:2] / name[2:]

    def has(self, digest: str, size: int) -> bool:
        """Whether content of that digest and size is here.

        A file cut short by a failing disk has another size: it is written again instead of being trusted for ever.
        """
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def read(self, digest: str) -> bytes:
        """The bytes; raises `ContentError`."""
        path = self._fetched(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise _missing(digest, self.root) from None
        if digest_of(content) != digest:
            raise _damaged(digest, path)
        return content

    def copy_to(self, digest: str, target: BinaryIO) -> None:
        """Writes the content into an open file, checking it on the way; raises `ContentError`."""
        path = self._fetched(digest)
        try:
            source = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise _missing(digest, self.root) from None
        with source:
            written, _ = copy_and_digest(source, target)
        if written != digest:
            raise _damaged(digest, path)

    def write_file(self, digest: str, target: Path, mode: int) -> None:
        """Writes the content into a new file; raises `ContentError`."""
        with target.open("xb", buffering=0) as copy:
            self.copy_to(digest, copy)
            os.fchmod(copy.fileno(), mode)

    def _fetched(self, digest: str) -> Path:
        """Where the content is, after it was asked of the origin when it is not here."""
        path = self.path(digest)
        if self.origin is not None and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            arriving = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
            if self.origin.fetch(digest, arriving):
                arriving.rename(path)
        return path


class Arrivals:
    """Content on its way into a store: written first, made durable together, then given its names.

    A context manager; what was added can be read when it has been left without an exception.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._folder = store.root / "incoming" / os.urandom(8).hex()
        self._written: dict[str, Path] = {}

    def __enter__(self) -> Arrivals:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._folder.exists():
            return
        try:
            if kind is None:
                self._publish()
        finally:
            for left in self._folder.iterdir():
                left.unlink()
            self._folder.rmdir()

    def add_bytes(self, content: bytes) -> str:
        """Adds the bytes, unless they are here already, and returns their digest."""
        digest = digest_of(content)
        if digest not in self._written and not self._is_here(digest, len(content)):
            with self._new_file() as file:
                file.write(content)
                self._written[digest] = Path(file.name)
        return digest

    def add_file(self, path: Path, size: int) -> tuple[str, int]:
        """Adds a file of about `size` bytes; returns the digest and size of the bytes that were read."""
        if size <= CHUNK_BYTES:
            content = path.read_bytes()
            return self.add_bytes(content), len(content)
        with path.open("rb", buffering=0) as source:
            digest, size = copy_and_digest(source, None)
        if digest not in self._written and not self._is_here(digest, size):
            with path.open("rb", buffering=0) as source, self._new_file() as file:
                digest, size = copy_and_digest(source, file)
                self._written[digest] = Path(file.name)
        return digest, size

    def _is_here(self, digest: str, size: int) -> bool:
        """Content that is used anew is as young as new content, which nobody clears away.

        What is here may be a copy from another origin, or have been cleared away there.
        """
        if not self._store.has(digest, size):
            return False
        if self._store.origin is not None:
            self._store.origin.store(digest, self._store.path(digest))
        try:
            os.utime(self._store.path(digest))
        except OSError:  # it went at this moment, or belongs to somebody else, who clears nothing away for us
            return self._store.has(digest, size)
        return True

    def _new_file(self) -> BinaryIO:
        make_lasting(self._store.root)
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / str(len(self._written))).open("xb")

    def _publish(self) -> None:
        _make_durable(list(self._written.values()))
        make_lasting(self._store.root / "objects")
        shards = set()
        for digest, written in self._written.items():
            if self._store.origin is not None:
                self._store.origin.store(digest, written)
            written.chmod(0o444)
            target = self._store.path(digest)
            target.parent.mkdir(exist_ok=True)
            written.rename(target)
            shards.add(target.parent)
        _make_durable([*shards, *{shard.parent for shard in shards}])


def copy_and_digest(source: BinaryIO, target: BinaryIO | None) -> tuple[str, int]:
    """Digest and number of the bytes left in `source`, which are written to `target` if there is one."""
    found = hashlib.sha256()
    size = 0
    while chunk := source.read(CHUNK_BYTES):
        found.update(chunk)
        size += len(chunk)
        if target is not None:
            view = memoryview(chunk)
            while view:
                view = view[target.write(view) :]
    return "sha256:" + found.hexdigest(), size


def _make_durable(paths: list[Path]) -> None:
    if len(paths) >= _MANY and _sync_file_system(paths[0]):
        return
    for path in paths:
        sync(path)


def _sync_file_system(path: Path) -> bool:
    """One `syncfs(2)` for everything on the file system of `path`; False where there is none (not Linux)."""
    import ctypes  # noqa: PLC0415 - 5 ms, and only large trees come here

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
    return True


def _missing(digest: str, root: Path) -> ContentError:
    return ContentError(f"content {digest} is missing from {root}")


def _damaged(digest: str, path: Path) -> ContentError:
    return ContentError(f"content {digest} is damaged: {path} no longer holds what was stored")
