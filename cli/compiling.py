"""Compiling for commands that need a plan: mistakes are printed and end the command."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.diagnostics import is_error, render_all, to_record
from somagent.capsule_compiler.plan import Plan
from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import colored, print_json, visible
from somagent.cli.streams import kept_clean
from somagent.governance.constitution import Constitution
from somagent.governance.documents import Diagnostic, Source
from somagent.workflows import capsules


def installed(*, locked: bool = False) -> capsules.Installation:
    """What is installed here; each plug-in that was left out is said on standard error.

    With `locked`, capsules may use only what their lock pins.
    """
    with kept_clean():
        installation = replace(capsules.this_installation(), locked=locked)
    for fault in installation.faults:
        sys.stderr.write(f"warning: {visible(fault)}\n")
    return installation


def governing(arguments: Namespace) -> Constitution:
    """The constitution that governs; its mistakes are printed."""
    path = arguments.constitution
    source, constitution, diagnostics = capsules.read_constitution(Path(path) if path else None)
    if constitution is None:
        _tell(source, diagnostics, arguments)
        raise UserError(f"`{source.name}` cannot govern: it has mistakes", Exit.FAILED)
    return constitution


def planned(arguments: Namespace, installation: capsules.Installation) -> tuple[Plan, Compilation]:
    """The plan of the command's capsule; its mistakes are printed."""
    path = capsules.find_capsule(arguments.capsule)
    compilation = capsules.compile_file(path, installation, governing(arguments))
    if compilation.plan is None:
        _tell(compilation.source, compilation.diagnostics, arguments)
        if getattr(arguments, "output", "text") == "text" and getattr(arguments, "format", None) in {None, "text"}:
            for child in compilation.inner:
                sys.stderr.write(render_all(child.source, child.diagnostics, color=colored(sys.stderr)))
        wanted = {"plan": "has no plan", "graph": "has no graph", "compile": "was not compiled"}.get(
            arguments.command, "was not run"
        )
        raise UserError(f"`{arguments.capsule}` has mistakes and {wanted}", Exit.FAILED)
    sys.stderr.write(render_all(compilation.source, compilation.diagnostics, color=colored(sys.stderr)))
    return compilation.plan, compilation


def checked(name: str, source: Source, diagnostics: Sequence[Diagnostic]) -> dict[str, object]:
    """The diagnostics of a file as `--output json` shows them; the shape is documented in docs/cli.md."""
    shown = [to_record(source, one) for one in diagnostics]
    return {"file": name, "ok": not any(is_error(one) for one in diagnostics), "diagnostics": shown}


def _tell(source: Source, diagnostics: Sequence[Diagnostic], arguments: Namespace) -> None:
    """Prints what ends the command, in the form that was asked for."""
    form = getattr(arguments, "format", None)
    if arguments.command != "graph" and form not in {None, "text"}:
        from somagent.cli.formats import show_source  # noqa: PLC0415

        show_source(source, diagnostics, form)
    elif getattr(arguments, "output", "text") == "json":
        print_json(checked(source.name, source, diagnostics))
    else:
        sys.stderr.write(render_all(source, diagnostics, color=colored(sys.stderr)))
