"""Diagnostics as a SARIF log, which code hosts show beside the changed lines.

Standard: SARIF 2.1.0 (OASIS, errata 01). One run for all files; a column counts code points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from somagent.capsule_compiler.diagnostics.codes import Code, code_of
from somagent.governance.documents import Diagnostic, Source, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"


def sarif(
    found: Sequence[tuple[Source, Sequence[Diagnostic]]],
    *,
    version: str,
    folder: str = "",
    unread: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The log of one run over several files.

    `folder` is the absolute folder that relative names are meant from; `unread` says why files could not be read.
    """
    codes = sorted({code_of(one.name) for _, diagnostics in found for one in diagnostics})
    places = {code.name: index for index, code in enumerate(codes)}
    driver = {
        "name": "somagent",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(code) for code in codes],
    }
    invocation: dict[str, Any] = {"executionSuccessful": not unread}
    if unread:
        invocation["toolExecutionNotifications"] = [_notification(*one) for one in unread.items()]
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(source, one, places) for source, diagnostics in found for one in diagnostics],
    }
    if folder:
        run["originalUriBaseIds"] = {ROOT: {"uri": PurePath(folder).as_uri().rstrip("/") + "/"}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    text = f"`somagent explain {code.number}` shows an example that fails and the same one mended."
    return {
        "id": code.number,
        "name": "".join(part.capitalize() for part in code.name.split("-")),
        "shortDescription": {"text": code.name.replace("-", " ")},
        "fullDescription": {"text": code.meaning},
        "help": {"text": text.replace("`", ""), "markdown": text},
        "defaultConfiguration": {"level": code.severity},
    }


def _notification(name: str, why: str) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": why},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(name)}}],
    }


def _result(source: Source, one: Diagnostic, places: Mapping[str, int]) -> dict[str, Any]:
    code = code_of(one.name)
    parts = [part for part in (one.message, one.note, one.help and f"help: {one.help}") if part]
    result: dict[str, Any] = {
        "ruleId": code.number,
        "ruleIndex": places[code.name],
        "level": code.severity,
        "message": {"text": "\n".join(parts)},
        "locations": [{"physicalLocation": _place(source, one.span)}],
    }
    if one.labels:
        result["relatedLocations"] = [
            {"id": index, "physicalLocation": _place(source, label.span), "message": {"text": label.text}}
            for index, label in enumerate(one.labels, 1)
        ]
    if one.edit:
        replacement: dict[str, Any] = {"deletedRegion": _region(source, one.edit.span)}
        if one.edit.text:
            replacement["insertedContent"] = {"text": one.edit.text}
        change = {"artifactLocation": _artifact(source.name), "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": one.edit.title}, "artifactChanges": [change]}]
    return result


def _place(source: Source, span: Span) -> dict[str, Any]:
    return {"artifactLocation": _artifact(source.name), "region": _region(source, span)}


def _region(source: Source, span: Span) -> dict[str, int]:
    """From 1, the end column the one behind the last character."""
    start, end = source.position(span.start), source.position(max(span.start, span.end))
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }


def _artifact(name: str) -> dict[str, str]:
    path = PurePath(name)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": ROOT}
