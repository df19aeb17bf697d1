"""Diagnostics as commands that a GitHub Actions runner turns into annotations.

Source of the escapes: actions/toolkit, `packages/core/src/command.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping

from somagent.capsule_compiler.diagnostics.codes import code_of
from somagent.governance.documents import Diagnostic, Source


def annotation(source: Source, one: Diagnostic) -> str:
    """One line. Columns only where the place is within one line: the runner takes no others."""
    code = code_of(one.name)
    start, end = source.position(one.span.start), source.position(max(one.span.start, one.span.end))
    properties = {"file": source.name, "line": str(start.line), "endLine": str(end.line)}
    if start.line == end.line:
        properties |= {"col": str(start.column), "endColumn": str(end.column)}
    properties["title"] = f"{code.number} {code.name}"
    parts = [one.message, one.note, f"help: {one.help}" if one.help else ""]
    parts += [f"{source.name}:{source.position(label.span.start).line}: {label.text}" for label in one.labels]
    return command(code.severity, properties, "\n".join(part for part in parts if part))


def command(name: str, properties: Mapping[str, str], message: str) -> str:
    """A command of the runner, with a line break at its end."""
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
