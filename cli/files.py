"""Files that commands change in place: found below folders, and replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from somagent.cli.exits import UserError
from somagent.workflows import capsules

TESTS = "tests"
"""The folder beside a capsule in which its tests lie."""

_OURS = re.compile(rb"^apiVersion: *[\"']?somagent\.io/", re.MULTILINE)  # other YAML there may be read by tests
_OTHER_KIND = re.compile(rb"^kind: *[\"']?(Capsule|Constitution|Persona|Tool|Package)\b", re.MULTILINE)
_NOT_OURS = frozenset({"__pycache__", "node_modules"})


def documents(names: Sequence[str]) -> Iterator[Path]:
    """The files of these names; of folders, all capsules, their tests and constitutions below. Each file once."""
    seen: set[Path] = set()
    for name in names:
        path = Path(name)
        for found in filter(_is_document, files_below(path)) if path.is_dir() else (path,):
            if found not in seen:
                seen.add(found)
                yield found


def replace_file(name: str, before: bytes, after: bytes, *, verb: str) -> None:
    """Replaces a file at once, with its mode kept; whoever reads it meanwhile has the old content or the new one.

    A link is followed. Raises `UserError`, also when the file is no longer what was read; `verb` says what was meant to
    be done.
    """
    import tempfile  # noqa: PLC0415  8 ms, only where something is written

    path = Path(os.path.realpath(name))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"cannot {verb} `{name}`: it is not a regular file")
        if not os.access(path, os.W_OK):
            raise UserError(f"cannot {verb} `{name}`: it may not be written")
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(PermissionError):  # only who may give files away keeps another owner
                os.chown(beside, status.st_uid, status.st_gid)
            Path(beside).chmod(stat.S_IMODE(status.st_mode))
            if path.read_bytes() != before:
                raise UserError(f"`{name}` has changed since it was checked, so nothing was written; try again")
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"cannot {verb} `{name}`: {(error.strerror or str(error)).lower()}") from None


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, in the order of their names; hidden folders and those of other tools are left out."""
    try:
        members = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"cannot read `{folder}`: {(error.strerror or str(error)).lower()}") from None
    for member in members:
        if not member.is_dir():
            yield member
        elif not (member.is_symlink() or member.name.startswith(".") or member.name in _NOT_OURS):
            yield from files_below(member)


def is_test(path: Path) -> bool:
    """Whether a file holds tests of a capsule: it lies in `tests`, and is a document of ours of no other kind."""
    if path.absolute().parent.name != TESTS or path.suffix not in {".yaml", ".yml"} or not path.is_file():
        return False
    content = capsules.read_bytes(path)
    return _OURS.search(content) is not None and _OTHER_KIND.search(content) is None


def _is_document(path: Path) -> bool:
    name = path.name
    return name.endswith((capsules.SUFFIX, ".constitution.yaml")) or name == "constitution.yaml" or is_test(path)
