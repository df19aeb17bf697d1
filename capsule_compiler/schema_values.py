"""Whether a constant fits a value schema, for the values that authors write down: `default` and `enum`.

What arrives when a capsule runs is held against its schema by `value_validators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from somagent.capsule_compiler.value_types import REF
from somagent.governance.cel.patterns import PatternFault, Re2Form

JsonSchema = dict[str, Any]

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
MAX_REFERENCES = 64


def refusal(schema: JsonSchema, value: Any, types: Mapping[str, JsonSchema]) -> str:
    """Why the schema refuses the value, to be read after the value's name; empty when it does not."""
    for _ in range(MAX_REFERENCES):
        if "$ref" not in schema:
            break
        schema = types.get(schema["$ref"].removeprefix(REF), {})
    kind = schema.get("type")
    if kind is None:
        return ""
    if type(value) not in _KINDS.get(kind, ()):
        return f"is not of type {kind}" if kind != "artifact" else "cannot be given for an artifact"
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        return "is not one of `enum`"
    if isinstance(value, str):
        return _outside(len(value), schema, "minLength", "maxLength") or _unlike(value, schema)
    if isinstance(value, list):
        return _of_items(schema, value, types)
    if isinstance(value, dict):
        return _of_members(schema, value, types)
    return _outside(value, schema, "minimum", "maximum")


def _unlike(value: str, schema: JsonSchema) -> str:
    with suppress(KeyError, PatternFault):  # a wrong pattern is said where it stands
        return "" if Re2Form(schema["pattern"]).search(value) else "does not fit `pattern`"
    return ""


def _outside(size: float, schema: JsonSchema, low: str, high: str) -> str:
    if low in schema and size < schema[low]:
        return f"is below `{low}`"
    return f"is above `{high}`" if high in schema and size > schema[high] else ""


def _of_items(schema: JsonSchema, value: list[Any], types: Mapping[str, JsonSchema]) -> str:
    for index, item in enumerate(value):
        reason = refusal(schema.get("items", {}), item, types)
        if reason:
            return f"has item {index + 1}, which {reason}"
    return _outside(len(value), schema, "minItems", "maxItems")


def _of_members(schema: JsonSchema, value: dict[str, Any], types: Mapping[str, JsonSchema]) -> str:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"lacks `{name}`"
    for name, member in value.items():
        if name not in properties and schema.get("additionalProperties") is False:
            return f"has `{name}`, which the schema does not know"
        reason = refusal(properties.get(name, {}), member, types)
        if reason:
            return f"has `{name}`, which {reason}"
    return ""
