"""Capsules as files: found, read with what lies beside them, and compiled for this installation."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.draft import FileBeside, FilesBeside, Given
from somagent.capsule_compiler.language import Language, prepare_language
from somagent.capsule_compiler.packages.source import PackageSource
from somagent.governance.constitution import Constitution, default_constitution, load_constitution
from somagent.governance.documents import Diagnostic, Source, decode_source
from somagent.operators.operator import Operator
from somagent.operators.registry import load_operators
from somagent.workflows.packages import PackageFolder, package_folder

SUFFIX = ".capsule.yaml"
_LIBRARY = Path(__file__).parent / "library"
_SKIPPED = frozenset({"__pycache__", ".git", ".somagent", ".venv", "node_modules"})


class NotReadable(Exception):
    """A file that was named cannot be read; the message says which and why."""


class Installation(Struct, frozen=True):
    """What is installed here: the operators, and the language that follows from them."""

    operators: Mapping[str, Operator]
    language: Language
    faults: Sequence[str]  # a line for each plug-in that was left out
    packages: PackageSource = field(default_factory=lambda: PackageFolder(package_folder(os.environ)))
    locked: bool = False  # capsules may use only what their lock pins


def this_installation() -> Installation:
    """Loads the operators of this installation."""
    registry = load_operators()
    return Installation(registry.operators, prepare_language(registry.catalogue), registry.faults)


def library() -> Mapping[str, Path]:
    """The curated capsules that come with SomaGent, by name."""
    return {path.name.removesuffix(SUFFIX): path for path in sorted(_LIBRARY.glob(f"*/*{SUFFIX}"))}


def find_capsule(name: str) -> Path:
    """The capsule file of a path, or of the name of a library capsule; raises `NotReadable`."""
    path = Path(name)
    if path.exists() or "/" in name or name.endswith((".yaml", ".yml")):
        return path
    known = library()
    if name in known:
        return known[name]
    names = ", ".join(known) or "none"
    raise NotReadable(f"there is no file `{name}`, and no library capsule of that name (there are: {names})")


def compile_file(path: Path, installation: Installation, constitution: Constitution) -> Compilation:
    """Compiles a capsule file; raises `NotReadable`."""
    return compile_content(path, read_bytes(path), installation, constitution)


def compile_content(path: Path, content: bytes, installation: Installation, constitution: Constitution) -> Compilation:
    """Compiles a content as if it were that of the capsule file at `path`."""
    return compile_capsule(
        str(path),
        content,
        language=installation.language,
        constitution=constitution,
        files=files_beside(path.parent),
        packages=installation.packages,
        locked=installation.locked,
    )


def given_at(path: Path, installation: Installation, constitution: Constitution) -> Given:
    """What the compiler is given of a capsule at `path`, besides its text."""
    return Given(
        installation.language, constitution, files_beside(path.parent), installation.packages, installation.locked
    )


def read_constitution(path: Path | None) -> tuple[Source, Constitution | None, Sequence[Diagnostic]]:
    """The constitution in a file, or the embedded default; raises `NotReadable`."""
    if path is None:
        return Source("default", ""), default_constitution(), ()
    source, found = decode_source(str(path), read_bytes(path))
    if found:
        return source, None, found
    constitution, found = load_constitution(source)
    return source, constitution, found


def read_bytes(path: Path) -> bytes:
    """The content of a file that a user named; raises `NotReadable`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotReadable(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from None
    except ValueError:  # a zero character, which no file system has in a name
        raise NotReadable(f"cannot read `{str(path)!a}`: this can be no path") from None


def files_beside(folder: Path) -> FilesBeside:
    """What the compiler is given of the folder in which a capsule lies."""

    def read(path: str) -> Sequence[FileBeside]:
        start = folder / path
        if not start.is_dir():
            return [_file(start, folder)]
        _check_inside(start, folder)
        return [_file_below(file, folder) for file in _below(start, folder)]

    return read


def _below(start: Path, folder: Path) -> Iterator[Path]:
    """The files in a folder, in order; raises `OSError` for what is there and cannot be taken along."""
    for member in sorted(start.iterdir()):
        if member.name in _SKIPPED or member.suffix == ".pyc":
            continue
        if not member.is_dir():
            yield member
        elif member.is_symlink():
            _check_inside(member, folder)
            raise _refusal(
                member, folder, "is a link to a folder; name that folder under `include` too, or remove the link"
            )
        else:
            yield from _below(member, folder)


def _file_below(path: Path, folder: Path) -> FileBeside:
    try:
        return _file(path, folder)
    except OSError as error:
        if error.filename is None:
            raise
        reason = (error.strerror or str(error)).lower()
        raise _refusal(path, folder, f"cannot be read: {reason}") from None


def _file(path: Path, folder: Path) -> FileBeside:
    _check_inside(path, folder)
    status = path.stat()  # of what a link leads to
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, folder, "is neither a file nor a folder")
    return FileBeside(path.relative_to(folder).as_posix(), path.read_bytes(), bool(status.st_mode & stat.S_IXUSR))


def _check_inside(path: Path, folder: Path) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):  # `resolve` raises on circles
        raise _refusal(path, folder, "leads out of the capsule's folder")


def _refusal(path: Path, folder: Path, why: str) -> OSError:
    return PermissionError(errno.EPERM, f"`{path.relative_to(folder).as_posix()}` {why}")
