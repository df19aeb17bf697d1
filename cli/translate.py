"""Errors of the parts below, as users meet them. One place, so that no command forgets one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from somagent.cli.exits import Exit, UserError
from somagent.governance.constitution import ConstitutionRefused
from somagent.operators.runner.contents import ArtifactRefused, ContentError
from somagent.workflows.capsules import NotReadable
from somagent.workflows.engines.protocol import (
    DataDirectoryHeld,
    EngineError,
    EngineUnreachable,
    JournalDamaged,
    NotTakenUp,
    StorageFull,
    StorageRefused,
    StoreUnreachable,
)
from somagent.workflows.identity import IdentityRefused
from somagent.workflows.inputs import InputsRefused

_STORAGE = (DataDirectoryHeld, EngineUnreachable, JournalDamaged, StorageFull, StoreUnreachable)
_USER = (NotReadable, InputsRefused, ConstitutionRefused, EngineError, ContentError, ArtifactRefused, IdentityRefused)
_ELSEWHERE = "`--data-dir DIR` names another data directory"


def user_error(error: Exception, arguments: Any = None) -> UserError | None:
    """What the user is told, or None when the error is a fault of ours; `arguments` are those of the command."""
    if isinstance(error, _STORAGE):
        return UserError(str(error), Exit.STORAGE)
    if isinstance(error, NotTakenUp) and isinstance(error.__cause__, EngineUnreachable):
        return UserError(str(error), Exit.STORAGE)
    if isinstance(error, StorageRefused):
        return UserError(f"{error}; {_ELSEWHERE}", Exit.STORAGE)
    if isinstance(error, InputsRefused):
        return UserError("\n       ".join(error.problems))
    if isinstance(error, EngineError) and isinstance(error.__cause__, OSError):
        return UserError(f"{error}; {_ELSEWHERE}", Exit.STORAGE)
    if isinstance(error, _USER):
        return UserError(str(error))
    if isinstance(error, OSError):
        return _of_system(error, arguments)
    if isinstance(error, UnicodeEncodeError):
        text = error.object[max(0, error.start - 20) : error.end + 20]
        way_on = "use UTF-8 names, and a locale of UTF-8 (LC_ALL=C.UTF-8)"
        return UserError(f"`{text}` holds characters that are no text here; {way_on}")
    return None


def _of_system(error: OSError, arguments: Any) -> UserError | None:
    """A file or folder that cannot be used. Without a name it is one only when the current folder is gone."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return UserError("the current folder is gone; change to one that is there (`cd`)")
    if error.filename is None:
        return None
    path = here / str(error.filename)
    said = f"cannot use `{error.filename}`: {(error.strerror or str(error)).lower()}"
    if arguments is not None and hasattr(arguments, "data_dir"):
        from somagent.cli.runs import data_directory  # noqa: PLC0415

        directory = here / data_directory(arguments)
        if path.is_relative_to(directory):
            report = path.is_relative_to(directory / "reports") and arguments.command == "report"
            way_on = "`--to FILE` writes it elsewhere" if report else _ELSEWHERE
            return UserError(f"{said}; {way_on}", Exit.STORAGE)
    return UserError(said)
