"""The commands that are printed as the way on: they can be run as they stand, in the same folder."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path


def way_on(arguments: Namespace, *words: str) -> str:
    """`somagent WORDS` for the data directory of this command."""
    import shlex  # noqa: PLC0415

    given = ["--data-dir", arguments.data_dir] if arguments.data_dir else []
    if getattr(arguments, "store", None):
        from somagent.workflows.engines.local.store import without_password  # noqa: PLC0415

        given += ["--store", without_password(arguments.store)]
    if getattr(arguments, "on", None):
        given += ["--engine", arguments.on]
    if getattr(arguments, "runs", None):
        given += ["--runs", arguments.runs]
    return shlex.join([program(), *words, *given])


def program() -> str:
    """How this program was called: `somagent` when the shell finds it by that name, else its path."""
    import shutil  # noqa: PLC0415

    called = Path(sys.argv[0])
    if called.name != "somagent" or not called.exists():
        return "somagent"
    found = shutil.which("somagent")
    if found is not None and Path(found).samefile(called):
        return "somagent"
    here = Path.cwd()
    inside = called.is_absolute() and called.is_relative_to(here)
    return os.fspath(called.relative_to(here)) if inside else os.fspath(called)
