"""Capsules as files: found, read with what lies beside them, and compiled for this installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from somagent.capsule_compiler.compile import Compilation, compile_capsule
from somagent.capsule_compiler.draft import FileBeside, FilesBeside
from somagent.capsule_compiler.language import Language, prepare_language
from somagent.governance.constitution import Constitution, default_constitution, load_constitution
from somagent.governance.documents import Diagnostic, Source, decode_source
from somagent.operators.operator import Operator
from somagent.operators.registry import load_operators

SUFFIX = ".capsule.yaml"
_LIBRARY = Path(__file__).parent / "library"
_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "node_modules"})


class NotReadable(Exception):
    """A file that was named cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed here: the operators, and the language that follows from them."""

    operators: Mapping[str, Operator]
    language: Language
    faults: Sequence[str]  # a line for each plug-in that was left out


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
    content = read_bytes(path)
    return compile_capsule(
        str(path),
        content,
        language=installation.language,
        constitution=constitution,
        files=_files_beside(path.parent),
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


def _files_beside(folder: Path) -> FilesBeside:
    def read(path: str) -> Sequence[FileBeside]:
        start = folder / path
        if not start.resolve().is_relative_to(folder.resolve()):
            raise PermissionError(1, "it leads out of the capsule's folder")
        if start.is_dir():
            files = [file for file in sorted(start.rglob("*")) if file.is_file() and not _skipped(file, start)]
        else:
            files = [start]
        return [_file(file, folder) for file in files]

    return read


def _skipped(file: Path, start: Path) -> bool:
    parts = file.relative_to(start).parts
    leads_out = not file.resolve().is_relative_to(start.resolve())
    return leads_out or bool(_SKIPPED.intersection(parts)) or file.suffix == ".pyc"


def _file(path: Path, folder: Path) -> FileBeside:
    executable = bool(path.stat().st_mode & 0o100)
    return FileBeside(path.relative_to(folder).as_posix(), path.read_bytes(), executable)
