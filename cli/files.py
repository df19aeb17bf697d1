"""Files that commands change in place: found below folders, and replaced as a whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from somagent.cli.exits import UserError
from somagent.workflows import capsules

_NOT_OURS = frozenset({"__pycache__", "node_modules"})


def documents(names: Sequence[str]) -> Iterator[Path]:
    """The files of these names; of folders, all capsules and constitutions below. Each file once."""
    seen: set[Path] = set()
    for name in names:
        path = Path(name)
        for found in _below(path) if path.is_dir() else (path,):
            if found not in seen:
                seen.add(found)
                yield found


def replace_file(path: Path, content: str) -> None:
    """Writes a file anew; whoever reads it meanwhile has the old text or the new one. Links stay, and so do its rights.

    Raises `UserError`.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        if not os.access(target, os.W_OK):
            raise UserError(f"cannot write `{path}`: permission denied")
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"cannot write `{path}`: {(error.strerror or str(error)).lower()}") from None


def _below(folder: Path) -> Iterator[Path]:
    try:
        members = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"cannot read `{folder}`: {(error.strerror or str(error)).lower()}") from None
    for member in members:
        if member.is_dir():
            if not (member.is_symlink() or member.name.startswith(".") or member.name in _NOT_OURS):
                yield from _below(member)
        elif member.name.endswith((capsules.SUFFIX, ".constitution.yaml")) or member.name == "constitution.yaml":
            yield member
