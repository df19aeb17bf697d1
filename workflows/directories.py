"""Where runs are kept, unless somebody says so: the same for the command line and for programs."""

from __future__ import annotations

import os
from pathlib import Path

DATA_DIRECTORY = ".somagent"


def data_directory(given: str | Path | None) -> Path:
    """What was given, else `$SOMAGENT_DATA_DIR`, else `.somagent` in the current folder."""
    return Path(given or os.environ.get("SOMAGENT_DATA_DIR") or DATA_DIRECTORY)
