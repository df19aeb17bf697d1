"""The JSON Schema that holds for a place in a capsule, operators of other packages included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from somagent.capsule_compiler.language import Language
from somagent.capsule_compiler.schema import OPERATOR_KEY, capsule_schema
from somagent.governance.documents import MappingNode, Node, Path, ScalarNode, node_at

JsonSchema = Mapping[str, Any]
_DEFINITIONS = "#/$defs/"


class Schemas:
    """The schemas of a language by place, for editors; worth making once."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._root = capsule_schema(language.catalogue)
        self.definitions: JsonSchema = self._root["$defs"]

    def at(self, path: Path, root: Node | None = None) -> JsonSchema:
        """The schema of the value at a path; {} where anything may stand. `root` names foreign operators."""
        schema = self._resolved(self._root)
        for index, name in enumerate(path):
            if name == "with" and index and path[index - 1] == OPERATOR_KEY:
                schema = self._foreign(path[:index], root)
                continue
            schema = self._inside(schema, name)
        return schema

    def _inside(self, schema: JsonSchema, name: str | int) -> JsonSchema:
        if isinstance(name, int):
            return self._resolved(schema.get("items", {}))
        found = schema.get("properties", {}).get(name)
        if found is None:
            found = schema.get("additionalProperties")
        return self._resolved(found if isinstance(found, dict) else {})

    def _resolved(self, schema: JsonSchema) -> JsonSchema:
        """Without `$ref`; what is said beside the reference wins."""
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith(_DEFINITIONS):
            return schema
        named = self.definitions.get(reference.removeprefix(_DEFINITIONS), {})
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**self._resolved(named), **beside}

    def _foreign(self, path: Path, root: Node | None) -> JsonSchema:
        node = node_at(root, (*path, "name")) if root is not None else None
        entry = self.language.catalogue.operators.get(node.text) if isinstance(node, ScalarNode) else None
        return entry.arguments if entry is not None else {}

    def properties(self, path: Path, root: Node | None = None) -> dict[str, JsonSchema]:
        """The keys that the mapping at a path may have, with their schemas."""
        found = self.at(path, root).get("properties", {})
        return {name: self._resolved(schema) for name, schema in found.items()}


def keys_at(root: Node | None, path: Path) -> list[str]:
    """The keys that are written in the mapping at a path."""
    node = node_at(root, path) if root is not None else None
    return list(node.entries) if isinstance(node, MappingNode) else []
