"""Where large values and artifacts live: files named by the digest of what is in them.

Equal content is stored once, so an unchanged tree costs no room, and several processes may use one store at the same
time. How bytes are kept is in `objects`, what a folder is as a value in `tree`, what readers see in `copies`.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from somagent.capsule_compiler.plan import IncludedFile
from somagent.operators.runner.copies import SharedCopies, tree_of, write_copy
from somagent.operators.runner.objects import Arrivals, ContentError, ObjectStore, Origin
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.remembered import Remembered
from somagent.operators.runner.threads import in_thread
from somagent.operators.runner.tree import (
    ArtifactRefused,
    Tree,
    TreeEntry,
    TreeFile,
    check_name,
    encode_tree,
    scan_tree,
)

__all__ = ["ARTIFACT_CAP_BYTES", "ArtifactRefused", "ContentError", "Contents"]

P = ParamSpec("P")
R = TypeVar("R")

ARTIFACT_CAP_BYTES = 2 * 1024**3


class Contents:
    """A content store in the folder `root`, which is made when it is first written to.

    With an `origin` the folder holds copies of what is there: what is not here is fetched, what is new is stored.

    Digests are `sha256:` and 64 hex digits. `OSError` from the file system (no space left, say) is passed on.
    """

    def __init__(
        self, root: Path, *, artifact_cap_bytes: int = ARTIFACT_CAP_BYTES, origin: Origin | None = None
    ) -> None:
        self.root, self.is_far = root, origin is not None  # then reading and storing may wait for a network
        self._store = ObjectStore(root, origin)
        self._copies = SharedCopies(self._store, root / "copies")
        self._cap_bytes = artifact_cap_bytes
        self.remembered = Remembered()

    async def beside(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls what reads or stores here: in a thread, if a network may keep it waiting, else at once."""
        return await in_thread(function, *args, **kwargs) if self.is_far else function(*args, **kwargs)

    def put_bytes(self, content: bytes) -> str:
        """Stores the bytes, durably, and returns their digest."""
        with Arrivals(self._store) as arrivals:
            return arrivals.add_bytes(content)

    def read_bytes(self, digest: str) -> bytes:
        """The bytes; raises `ContentError` when they are missing or not what was stored."""
        return self._store.read(digest)

    def copy_to(self, digest: str, target: BinaryIO) -> None:
        """Writes the content into an open file a piece at a time; raises `ContentError`."""
        self._store.copy_to(digest, target)

    def put_path(self, path: Path, name: str) -> Artifact:
        """Stores a file or a folder, durably; readers will find it as `name`.

        Raises `ArtifactRefused` for what cannot travel: nothing there, a symbolic link that leads out of the folder,
        a socket or device, more bytes than the cap.
        """
        check_name(name)
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactRefused(f"`{name}` does not exist") from None
        if stat.S_ISDIR(status.st_mode):
            return self._put_folder(path, name)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactRefused(f"`{name}` is neither a file nor a folder")
        self._check_size(name, status.st_size)
        with Arrivals(self._store) as arrivals:
            digest, size = arrivals.add_file(path, status.st_size)
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Artifact(artifact=digest, kind="file", name=name, size=size, executable=executable)

    def put_manifest(self, files: Sequence[IncludedFile], name: str) -> Artifact:
        """A folder artifact of files whose content is here already."""
        tree = Tree(
            entries=[
                TreeFile(path=file.path, digest=file.digest, size=file.size, executable=file.executable)
                for file in files
            ]
        )
        digest = self.put_bytes(encode_tree(tree))
        return Artifact(artifact=digest, kind="folder", name=name, size=sum(file.size for file in files))

    def tree(self, artifact: Artifact) -> Tree:
        """The artifact's manifest; a file is a tree of one. Raises `ContentError`."""
        return tree_of(self._store, artifact)

    def materialise(self, artifact: Artifact, into: Path) -> Path:
        """Writes a read-only copy of its own into the folder `into` and returns its path; raises `ContentError`."""
        check_name(artifact.name)
        target = into / artifact.name
        write_copy(self._store, artifact, target)
        return target

    def shared_copy(self, artifact: Artifact) -> Path:
        """The read-only copy that all readers share (files 0444 or 0555, folders 0555); raises `ContentError`."""
        check_name(artifact.name)
        return self._copies.path(artifact)

    def retire_copies(self, to: Path) -> None:
        """Moves the shared copies away, when no step runs, to a new folder, all at once.

        They are made again when asked for.
        """
        self._copies.retire(to)

    def _put_folder(self, path: Path, name: str) -> Artifact:
        found = scan_tree(path, name)
        self._check_size(name, found.size)
        entries: list[TreeEntry] = list(found.others)
        size = 0
        with Arrivals(self._store) as arrivals:
            for file in found.files:
                digest, file_size = arrivals.add_file(path / file.path, file.size)
                entries.append(TreeFile(path=file.path, digest=digest, size=file_size, executable=file.executable))
                size += file_size
            manifest = arrivals.add_bytes(encode_tree(Tree(entries=entries)))
        return Artifact(artifact=manifest, kind="folder", name=name, size=size)

    def _check_size(self, name: str, size: int) -> None:
        if size > self._cap_bytes:
            raise ArtifactRefused(f"`{name}` has {size:,} bytes; an artifact may have at most {self._cap_bytes:,}")
