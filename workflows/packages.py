"""Packages in a folder of this machine: `NAMESPACE/NAME/VERSION/`, each version with its `package.yaml`.

The folder is `$SOMAGENT_PACKAGES`, else `~/.local/share/somagent/packages` (`$XDG_DATA_HOME` counts as everywhere).
What could make one version two different things is refused when it is opened: links, devices, too much of it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from somagent.capsule_compiler.draft import FileBeside
from somagent.capsule_compiler.packages.manifest import FILE

MAX_FILES = 1_000
MAX_BYTES = 16 * 1024 * 1024
SKIPPED = frozenset({"__pycache__", ".git", ".somagent", ".venv", "node_modules"})
_NAME = re.compile(r"[a-z0-9-]+")


def package_folder(environment: Mapping[str, str]) -> Path:
    """Where packages lie."""
    given = environment.get("SOMAGENT_PACKAGES")
    if given:
        return Path(given)
    data = environment.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "somagent" / "packages"


class PackageFolder:
    """A source of packages; see `somagent.capsule_compiler.packages.source`."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> Iterable[str]:
        """Names of all packages; none when the folder cannot be read."""
        for namespace in _listed(self._root):
            for name in _listed(self._root / namespace):
                if _NAME.fullmatch(namespace) and _NAME.fullmatch(name):
                    yield f"{namespace}/{name}"

    def versions(self, package: str) -> Sequence[str]:
        """The names of the folders inside the package's folder, none when there is none; may raise `OSError`."""
        folder = self._folder(package)
        try:
            return sorted(one.name for one in folder.iterdir() if one.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def manifest(self, package: str, version: str) -> bytes:
        """The content of `package.yaml`; raises `OSError`."""
        path = self._version(package, version) / FILE
        if not os.path.lexists(path):
            raise FileNotFoundError(errno.ENOENT, f"it has no `{FILE}`")
        _check_file(path, path.lstat(), FILE)
        return path.read_bytes()

    def open(self, package: str, version: str) -> Sequence[FileBeside]:
        """All files of a version; raises `OSError`."""
        folder = self._version(package, version)
        found: list[FileBeside] = []
        size = 0
        for path, status in _files(folder, folder):
            name = path.relative_to(folder).as_posix()
            size += status.st_size
            if len(found) >= MAX_FILES or size > MAX_BYTES:
                raise _refused(f"it has more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes")
            found.append(FileBeside(name, path.read_bytes(), bool(status.st_mode & stat.S_IXUSR)))
        return sorted(found)

    def _version(self, package: str, version: str) -> Path:
        folder = self._folder(package) / version
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"there is no such version in `{self._root}`")
        return folder

    def _folder(self, package: str) -> Path:
        namespace, _, name = package.partition("/")
        if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
            raise _refused(f"`{package}` is not the name of a package")
        return self._root / namespace / name


def _files(folder: Path, root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for member in sorted(folder.iterdir()):
        if member.name in SKIPPED or member.suffix == ".pyc":
            continue
        name = member.relative_to(root).as_posix()
        status = member.lstat()
        if stat.S_ISDIR(status.st_mode):
            yield from _files(member, root)
        else:
            _check_file(member, status, name)
            yield member, status


def _check_file(path: Path, status: os.stat_result, name: str) -> None:
    if not name.isprintable():
        raise _refused(f"`{name!a}` is not a name that can be shown")
    if stat.S_ISLNK(status.st_mode):
        raise _refused(f"`{name}` is a link, and a package holds files only")
    if not stat.S_ISREG(status.st_mode):
        raise _refused(f"`{name}` is neither a file nor a folder")
    if not os.access(path, os.R_OK):
        raise _refused(f"`{name}` cannot be read: permission denied")
    if status.st_size > MAX_BYTES:
        raise _refused(f"`{name}` has more than {MAX_BYTES:,} bytes")


def _refused(why: str) -> OSError:
    return PermissionError(errno.EPERM, why)


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names only
    except OSError:
        return []
