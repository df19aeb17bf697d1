"""Which type an expression must have to stand at a place of an operator's arguments, by the argument's schema."""

from __future__ import annotations

from typing import Any

from somagent.capsule_compiler.catalogue import ARTIFACT_ONLY, OperatorEntry
from somagent.capsule_compiler.value_types import ARTIFACT
from somagent.governance.cel import BOOL, DOUBLE, DYN, INT, STRING, ListType, MapType, Type
from somagent.governance.documents import HINTS, Path

JsonSchema = dict[str, Any]
_SIMPLE: dict[str, Type] = {"string": STRING, "integer": INT, "number": DOUBLE, "boolean": BOOL}


def argument_type(entry: OperatorEntry, path: Path) -> Type | None:
    """The type wanted at a path inside the arguments; None where anything may stand."""
    definitions = entry.arguments.get("$defs", {})
    return _type(_schema_at(entry.arguments, path, definitions), definitions)


def _type(schema: JsonSchema, definitions: JsonSchema) -> Type | None:
    if schema.get(HINTS, {}).get(ARTIFACT_ONLY):
        return ARTIFACT
    kind = schema.get("type")
    if kind == "array":
        return ListType(_inside(schema.get("items"), definitions))
    if kind == "object":
        return MapType(STRING, _inside(schema.get("additionalProperties"), definitions))
    return _SIMPLE.get(str(kind))


def _inside(schema: Any, definitions: JsonSchema) -> Type:
    if not isinstance(schema, dict) or "$ref" in schema:
        return DYN
    return _type(schema, definitions) or DYN


def _schema_at(schema: JsonSchema, path: Path, definitions: JsonSchema) -> JsonSchema:
    """The schema of the value at a path inside a value of `schema`; empty when it says nothing."""
    part: Any = _followed(schema, definitions)
    for step in path:
        if isinstance(step, int):
            inner = part.get("items")
        else:
            inner = part.get("properties", {}).get(step, part.get("additionalProperties"))
        if not isinstance(inner, dict):
            return {}
        part = _followed(inner, definitions)
    return dict(part)


def _followed(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    reference = schema.get("$ref")
    return schema if reference is None else definitions.get(str(reference).removeprefix("#/$defs/"), {})
