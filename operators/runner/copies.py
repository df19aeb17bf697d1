"""Artifacts as files that steps can read: one read-only copy for all readers, never the stored content itself.

Permissions stop mistakes, not intent (root may write anywhere), so what readers see is a copy: a script that writes to
it in spite of its permissions cannot damage the store, and the next reader gets a fresh copy.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.objects import ObjectStore, copy_and_digest
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.tree import (
    ArtifactRefused,
    Tree,
    TreeEntry,
    TreeFile,
    TreeFolder,
    TreeLink,
    decode_tree,
    encode_tree,
    scan_tree,
)

_FILE, _EXECUTABLE, _FOLDER = 0o444, 0o555, 0o555


def tree_of(store: ObjectStore, artifact: Artifact) -> Tree:
    """The artifact's manifest; a file is a tree of one. Raises `ContentError`."""
    if artifact.kind == "folder":
        return decode_tree(store.read(artifact.artifact))
    return Tree(
        entries=[
            TreeFile(path=artifact.name, digest=artifact.artifact, size=artifact.size, executable=artifact.executable)
        ]
    )


def write_copy(store: ObjectStore, artifact: Artifact, target: Path) -> None:
    """Writes the artifact to the new path `target`, read-only, each byte checked; raises `ContentError`."""
    tree = tree_of(store, artifact)
    if artifact.kind == "folder":
        _write_tree(store, tree, target)
    else:
        _write_file(store, tree.entries[0], target)


class SharedCopies:
    """Read-only copies below the folder `root`, each verified byte by byte once in a process.

    After that a copy which somebody changed is noticed by the sizes and times of its files and folders. It is left
    where it is, because another reader may be at work in it, and a new one is made beside it.
    """

    def __init__(self, store: ObjectStore, root: Path) -> None:
        self._store = store
        self._root = root
        self._known: dict[str, tuple[Path, str]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def path(self, artifact: Artifact) -> Path:
        """Where the copy is; it is made when it is first asked for. Raises `ContentError`."""
        kind = "x" if artifact.executable else artifact.kind
        key = hashlib.sha256(f"{artifact.artifact} {kind} {artifact.name}".encode()).hexdigest()[:32]
        with self._locks.setdefault(key, threading.Lock()):
            known = self._known.get(key)
            if known is None or _marks(known[0]) != known[1]:
                path = self._root / key / artifact.name
                if known is not None or not self._holds(path, artifact):
                    path = self._make(key, artifact)
                known = self._known[key] = (path, _marks(path))
            return known[0]

    def retire(self, to: Path) -> None:
        """Moves all copies to the new folder `to`, when nobody reads them any more; none is fine."""
        self._known.clear()
        if self._root.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            self._root.rename(to)

    def _make(self, key: str, artifact: Artifact) -> Path:
        # The copy is renamed inside a folder of its own, because a read-only folder cannot be moved itself.
        making = self._root / f"making-{os.urandom(8).hex()}"
        making.mkdir(parents=True)
        try:
            write_copy(self._store, artifact, making / artifact.name)
            target = self._root / key
            if target.exists():
                target = self._root / f"{key}-{os.urandom(8).hex()}"
            try:
                making.rename(target)
            except OSError:
                # Another process made the same copy meanwhile; ours then stands beside it.
                target = self._root / f"{key}-{os.urandom(8).hex()}"
                making.rename(target)
        except BaseException:
            remove_tree(making)
            raise
        return target / artifact.name

    def _holds(self, path: Path, artifact: Artifact) -> bool:
        """Whether the copy that another process left is whole."""
        if not path.exists():
            return False
        tree = tree_of(self._store, artifact)
        if artifact.kind == "file":
            return _same_file(path, tree.entries[0])
        try:
            found = scan_tree(path, artifact.name)
        except ArtifactRefused:
            return False
        now: list[TreeEntry] = [_read_file(path / file.path, file.path) for file in found.files]
        return encode_tree(Tree(entries=now + list(found.others))) == encode_tree(tree)


def _write_tree(store: ObjectStore, tree: Tree, target: Path) -> None:
    target.mkdir()
    made = [target]
    known = {""}

    def make_folder(path: str) -> None:
        if path not in known:
            make_folder(path.rpartition("/")[0])
            made.append(target / path)
            made[-1].mkdir()
            known.add(path)

    for entry in tree.entries:
        make_folder(entry.path if isinstance(entry, TreeFolder) else entry.path.rpartition("/")[0])
    for entry in tree.entries:
        if isinstance(entry, TreeFile):
            _write_file(store, entry, target / entry.path)
    for entry in tree.entries:  # links last, so that nothing is ever written through one
        if isinstance(entry, TreeLink):
            (target / entry.path).symlink_to(entry.target)
    for folder in made:
        folder.chmod(_FOLDER)


def _write_file(store: ObjectStore, entry: TreeEntry, target: Path) -> None:
    assert isinstance(entry, TreeFile)  # noqa: S101 - a file's tree is one file
    store.write_file(entry.digest, target, _EXECUTABLE if entry.executable else _FILE)


def _read_file(path: Path, name: str) -> TreeFile:
    with path.open("rb", buffering=0) as file:
        digest, size = copy_and_digest(file, None)
    return TreeFile(path=name, digest=digest, size=size, executable=bool(path.stat().st_mode & stat.S_IXUSR))


def _same_file(path: Path, entry: TreeEntry) -> bool:
    return path.is_file() and not path.is_symlink() and _read_file(path, entry.path) == entry


def _marks(path: Path) -> str:
    """A digest over what changes when anything in the copy does: inodes, sizes, times."""
    marks = hashlib.sha256()
    for status in _statuses(path):
        marks.update(
            f"{status.st_ino} {status.st_mode} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns};".encode()
        )
    return marks.hexdigest()


def _statuses(path: Path) -> Iterator[os.stat_result]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    yield status
    if not stat.S_ISDIR(status.st_mode):
        return
    folders = [str(path)]
    while folders:
        with os.scandir(folders.pop()) as listing:
            for member in listing:
                yield member.stat(follow_symlinks=False)
                if member.is_dir(follow_symlinks=False):
                    folders.append(member.path)
