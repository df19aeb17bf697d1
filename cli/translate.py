"""Errors of the parts below, as users meet them. One place, so that no command forgets one."""

from __future__ import annotations

from somagent.cli.exits import Exit, UserError
from somagent.governance.constitution import ConstitutionRefused
from somagent.operators.runner.contents import ArtifactRefused, ContentError
from somagent.workflows.capsules import NotReadable
from somagent.workflows.engines.protocol import (
    DataDirectoryHeld,
    EngineError,
    JournalDamaged,
    StorageFull,
)
from somagent.workflows.inputs import InputsRefused

_STORAGE = (DataDirectoryHeld, JournalDamaged, StorageFull)
_USER = (NotReadable, InputsRefused, ConstitutionRefused, EngineError, ContentError, ArtifactRefused)


def user_error(error: Exception) -> UserError | None:
    """What the user is told, or None when the error is a fault of ours."""
    if isinstance(error, _STORAGE):
        return UserError(str(error), Exit.STORAGE)
    if isinstance(error, InputsRefused):
        return UserError("\n       ".join(error.problems))
    if isinstance(error, _USER):
        return UserError(str(error))
    return None
