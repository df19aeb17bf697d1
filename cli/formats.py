"""What `check` found, in each form that people and programs want it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.diagnostics.fix import offers
from somagent.cli.checking import Found
from somagent.cli.compiling import checked
from somagent.cli.printing import colored, visible
from somagent.governance.documents import Diagnostic, Source

FORMATS = ("text", "json", "sarif", "github")
JSON_VERSION = 1
"""Grows when a field of `--format json` is taken away or changes its meaning; new fields may come at any time."""


def show(
    found: Sequence[Found], unread: Mapping[str, str], form: str, stream: TextIO, *, deny_warnings: bool = False
) -> None:
    """Writes all of it; in text, what passes is told too, and what cannot be read is told on standard error."""
    if form == "text":
        _text(found, stream, deny_warnings=deny_warnings)
        stream.flush()
        tell_unread(unread)
    elif form == "json":
        _json({"version": JSON_VERSION, "files": records(found, unread)}, stream)
    elif form == "sarif":
        _sarif(found, unread, stream)
    else:
        _github(found, unread, stream)


def show_source(source: Source, diagnostics: Sequence[Diagnostic], form: str) -> None:
    """Writes the mistakes of one text to standard output."""
    show([Found(source.name, b"", source, diagnostics, "")], {}, form, sys.stdout)


def tell_unread(unread: Mapping[str, str]) -> None:
    """Says on standard error which files could not be used, and why."""
    for why in unread.values():
        sys.stderr.write(f"error: {visible(why)}\n")


def hint(found: Sequence[Found]) -> str:
    """How many mistakes `--fix` would mend; empty when none."""
    safe = sum(offers(one.diagnostics, unsafe=False) for one in found)
    guesses = sum(offers(one.diagnostics, unsafe=True) for one in found) - safe
    if not safe:
        return f"{guesses} can be fixed with `--fix --unsafe-fixes`: those are guesses\n" if guesses else ""
    more = f" ({guesses} more with `--unsafe-fixes`: those are guesses)" if guesses else ""
    return f"{safe} can be fixed with `--fix`{more}\n"


def records(found: Sequence[Found], unread: Mapping[str, str]) -> list[dict[str, object]]:
    """An entry for each file, as `--output json` lists them."""
    checked_files = [checked(one.name, one.source, one.diagnostics) for one in found]
    failed = [{"file": name, "ok": False, "diagnostics": [], "unread": why} for name, why in unread.items()]
    return [*checked_files, *failed]


def _text(found: Sequence[Found], stream: TextIO, *, deny_warnings: bool) -> None:
    for one in found:
        stream.write(render_all(one.source, one.diagnostics, color=colored(stream)))
        if not (one.wrong or (deny_warnings and one.diagnostics)):
            stream.write(visible(f"ok: {one.source.name} ({one.kind})") + "\n")


def _json(value: object, stream: TextIO) -> None:
    stream.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _sarif(found: Sequence[Found], unread: Mapping[str, str], stream: TextIO) -> None:
    from importlib.metadata import version  # noqa: PLC0415  25 ms

    from somagent.capsule_compiler.diagnostics.sarif import sarif  # noqa: PLC0415

    files = [(one.source, one.diagnostics) for one in found]
    _json(sarif(files, version=version("somagent"), folder=str(Path.cwd()), unread=unread), stream)


def _github(found: Sequence[Found], unread: Mapping[str, str], stream: TextIO) -> None:
    from somagent.capsule_compiler.diagnostics.github import annotation, command  # noqa: PLC0415

    for file in found:
        for one in file.diagnostics:
            stream.write(annotation(file.source, one))
    for name, why in unread.items():
        stream.write(command("error", {"file": name}, why))
