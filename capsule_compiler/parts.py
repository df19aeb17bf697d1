"""Personas, tools and packages: documents of their own, each checked as what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import UNSET

from somagent.capsule_compiler.model.persona import Persona
from somagent.capsule_compiler.model.tool import Tool
from somagent.capsule_compiler.model.values import ValueSchema
from somagent.capsule_compiler.packages.manifest import PackageFile
from somagent.capsule_compiler.packages.reading import read_document
from somagent.capsule_compiler.value_schemas import SchemaCheck
from somagent.governance.documents import Diagnostic, Node, Path, Source

PARTS = frozenset({"Persona", "Tool", "Package"})
"""The kinds of documents, by what they say that they are."""


def check_part(name: str, content: bytes, kind: str) -> tuple[Source, list[Diagnostic]]:
    """Every mistake in a document of one of the kinds."""
    if kind == "Package":
        source, _, _, found = read_document(name, content, PackageFile)
        return source, found
    source, _, found = read_used_document(name, content, Persona if kind == "Persona" else Tool)
    return source, found


def read_used_document(
    name: str, content: bytes, model: type[Persona] | type[Tool]
) -> tuple[Source, Persona | Tool | None, list[Diagnostic]]:
    """A persona or a tool, unless anything is wrong with its form, and all that is wrong."""
    read: Persona | Tool | None
    source, root, read, found = read_document(name, content, model)
    if root is not None and isinstance(read, Tool):
        found = [*found, *_schemas(source, root, read)]
    return source, read, found


def _schemas(source: Source, root: Node, tool: Tool) -> Iterator[Diagnostic]:
    """What is wrong with the schemas of a tool."""
    check = SchemaCheck(source, root, {})
    inputs: Mapping[str, ValueSchema] = tool.spec.input or {}
    places: list[tuple[Path, ValueSchema]] = [(("spec", "input", name), one) for name, one in inputs.items()]
    for name, function in tool.spec.functions.items():
        at: Path = ("spec", "functions", name)
        places += [((*at, "input", key), schema) for key, schema in function.input.items()]
        if function.output is not UNSET:
            places.append(((*at, "output"), function.output))
    for path, schema in places:
        found = check.check(msgspec.to_builtins(schema), path)
        yield from (one for one in found if one.name != "secret-misplaced" or path[1] != "input")
