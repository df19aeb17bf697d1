"""A chosen version of a package with all its files, held against what the lock says is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from somagent.capsule_compiler.packages.content import changed_file, file_digests, tree_digest
from somagent.capsule_compiler.packages.lock import PackageLock
from somagent.capsule_compiler.packages.manifest import FILE, Manifest, PackageWrong, read_manifest
from somagent.capsule_compiler.packages.source import PackageSource

if TYPE_CHECKING:  # a draft knows packages
    from somagent.capsule_compiler.draft import FileBeside


class PackageChanged(Exception):
    """What is in a version is not what the lock pins; the message names the file."""


class OpenPackage(Struct, frozen=True):
    """A version of a package, whole."""

    manifest: Manifest
    files: Mapping[str, FileBeside]
    digests: Mapping[str, str]
    digest: str
    source: str

    @property
    def key(self) -> str:
        """Package and version, as people read it."""
        return f"{self.manifest.package} {self.manifest.version}"

    def shown(self, path: str) -> str:
        """What a file inside is called in messages."""
        return f"{self.manifest.package}/{self.manifest.version}/{path}"

    def pinned(self) -> PackageLock:
        """What the lock says of it."""
        return PackageLock(source=self.source, digest=self.digest, files=dict(self.digests))


def open_package(source: PackageSource, package: str, version: str, pinned: PackageLock | None) -> OpenPackage:
    """Opens a version; raises `PackageWrong`, and `PackageChanged` when it is not what was pinned."""
    try:
        files = {file.path: file for file in source.open(package, version)}
    except OSError as error:
        raise PackageWrong((error.strerror or str(error)).lower()) from None
    digests = file_digests(list(files.values()))
    digest = tree_digest(digests)
    if pinned is not None and digest != pinned.digest:
        raise PackageChanged(changed_file(pinned.files, digests))
    if FILE not in files:
        raise PackageWrong(f"it has no `{FILE}`")
    manifest = read_manifest(package, version, files[FILE].content)
    if manifest.file not in files:
        raise PackageWrong(f"`{FILE}` says `file: {manifest.file}`, which is not in the package")
    return OpenPackage(manifest, files, digests, digest, source.kind)
