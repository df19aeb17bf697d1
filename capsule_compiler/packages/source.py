"""Where packages come from, as the compiler sees it: who implements this reads folders, or asks a marketplace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a draft is given a source
    from somagent.capsule_compiler.draft import FileBeside


class PackageSource(Protocol):
    """Gives packages. Every method but `kind` may raise `OSError`, whose text is for people.

    What is in a version never changes; who changes it all the same is found out by the digests in the lock.
    """

    @property
    def kind(self) -> str:
        """What the lock calls it, such as `folder`."""

    def names(self) -> Iterable[str]:
        """Names of packages to propose when one is mistyped; may leave out some or all."""

    def versions(self, package: str) -> Sequence[str]:
        """The versions of `namespace/name`, in any order, none when there is no such package."""

    def manifest(self, package: str, version: str) -> bytes:
        """The content of the version's `package.yaml`."""

    def open(self, package: str, version: str) -> Sequence[FileBeside]:
        """All files of the version, `package.yaml` among them, by their paths inside it."""


class NoPackages:
    """A source that has none."""

    kind = "none"

    def names(self) -> Iterable[str]:
        """No names."""
        return ()

    def versions(self, package: str) -> Sequence[str]:
        """No versions."""
        del package
        return ()

    def manifest(self, package: str, version: str) -> bytes:
        """Raises `FileNotFoundError`."""
        raise FileNotFoundError(2, "there are no packages", f"{package} {version}")

    def open(self, package: str, version: str) -> Sequence[FileBeside]:
        """Raises `FileNotFoundError`."""
        raise FileNotFoundError(2, "there are no packages", f"{package} {version}")
