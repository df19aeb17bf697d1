"""Compiling for commands that need a plan: mistakes are printed and end the command."""

from __future__ import annotations

import sys
from pathlib import Path

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.plan import Plan
from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import colored
from somagent.governance.constitution import Constitution
from somagent.workflows import capsules


def governing(path: str | None) -> Constitution:
    """The constitution that governs; its mistakes are printed."""
    source, constitution, diagnostics = capsules.read_constitution(Path(path) if path else None)
    if constitution is None:
        sys.stderr.write(render_all(source, diagnostics, color=colored(sys.stderr)))
        raise UserError(f"`{source.name}` cannot govern: it has mistakes", Exit.FAILED)
    return constitution


def planned(name: str, constitution: str | None, installation: capsules.Installation) -> tuple[Plan, Compilation]:
    """The plan of a capsule; its mistakes are printed."""
    path = capsules.find_capsule(name)
    compilation = capsules.compile_file(path, installation, governing(constitution))
    sys.stderr.write(render_all(compilation.source, compilation.diagnostics, color=colored(sys.stderr)))
    if compilation.plan is None:
        raise UserError(f"`{name}` has mistakes and was not run", Exit.FAILED)
    return compilation.plan, compilation
