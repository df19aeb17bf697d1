"""Attempt folders are removed whatever a script did to them."""

from __future__ import annotations

import os
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Removes a folder and all in it, read-only folders too; links are never followed. Absent is fine."""
    try:
        path.rmdir()  # most attempts leave nothing
    except FileNotFoundError:
        return
    except OSError:
        pass
    else:
        return
    import shutil  # noqa: PLC0415 - brings the compression modules along

    try:
        shutil.rmtree(path)
    except PermissionError:
        path.chmod(0o700)
        for folder, members, _ in os.walk(path):
            for member in members:
                inner = Path(folder, member)
                if not inner.is_symlink():
                    inner.chmod(0o700)
        shutil.rmtree(path)
