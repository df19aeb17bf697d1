"""What an operator's step looks like to begin with: its key and the arguments that it must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.governance.documents import HINTS

_TEXTS: Mapping[str, str] = {"array": "[{}]", "object": "{{ {} }}"}


def operator_snippet(entry: OperatorEntry, *, flow: bool) -> str:
    """The step's key with its needed arguments, as a snippet of the language server protocol."""
    arguments = [f"{name}: {_hole(kind, stop)}" for name, kind, stop in _needed(entry)]
    if flow:
        return f"{entry.name}: {{ {', '.join(arguments) or '$1'} }}"
    return "\n  ".join([f"{entry.name}:", *(arguments or ["$0"])])


def editor_snippets(entries: Iterable[OperatorEntry]) -> list[dict[str, Any]]:
    """`defaultSnippets` of a step for yaml-language-server: one for each operator."""
    return [
        {
            "label": f"{entry.name} step",
            "description": entry.summary,
            "body": {entry.name: {name: _body(kind, stop) for name, kind, stop in _needed(entry)}},
        }
        for entry in entries
    ]


def _needed(entry: OperatorEntry) -> Iterator[tuple[str, Any, int]]:
    properties = entry.arguments.get("properties", {})
    names = entry.arguments.get("required", ()) or list(properties)[:1]
    for stop, name in enumerate(names, start=1):
        schema = properties.get(name, {})
        yield name, schema.get("type", "object" if HINTS not in schema else "string"), stop


def _hole(kind: Any, stop: int) -> str:
    return _TEXTS.get(kind, "{}").format(f"${stop}")


def _body(kind: Any, stop: int) -> Any:
    if kind == "array":
        return [f"${stop}"]
    return {} if kind == "object" else f"${stop}"
