"""How large the values of a capsule can be, from `maxItems` and `maxLength`, read when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from somagent.capsule_compiler.value_types import REF
from somagent.governance.cel import Size
from somagent.governance.cel.cost import INSIDE, ITEMS, LENGTH, either

JsonSchema = Mapping[str, Any]
NUMBER = Size(items=0, length=0, bounded=True)
_MOST_REFERENCES = 64


def size_of_schema(schema: JsonSchema, types: Mapping[str, JsonSchema]) -> Size:
    """The size of a value that the schema allows; what it leaves open has the sizes of `INSIDE`."""
    for _ in range(_MOST_REFERENCES):
        if "$ref" not in schema:
            break
        schema = types.get(str(schema["$ref"]).removeprefix(REF), {})
    kind = schema.get("type")
    if kind == "array":
        items: JsonSchema = schema.get("items") or {}
        most = schema.get("maxItems")
        return Size(
            ITEMS if most is None else most, 0, most is not None, lambda _: size_of_schema(items, types), is_list=True
        )
    if kind == "object":
        return _size_of_object(schema.get("properties") or {}, types)
    if kind == "string":
        most = schema.get("maxLength")
        known = [len(one) for one in schema.get("enum", ()) if isinstance(one, str)]
        length = max(known) if known else LENGTH if most is None else most
        return Size(0, length, bool(known) or most is not None)
    return INSIDE if kind is None else NUMBER


def _size_of_object(properties: Mapping[str, JsonSchema], types: Mapping[str, JsonSchema]) -> Size:
    def part(name: str | None) -> Size:
        if name is not None:
            return size_of_schema(properties[name], types) if name in properties else INSIDE
        return INSIDE if not properties else reduce(either, (size_of_schema(one, types) for one in properties.values()))

    return Size(len(properties) or ITEMS, 0, bool(properties), part)


def members(sizes: Mapping[str, Size]) -> Size:
    """The size of an object whose members have these sizes."""
    return Size(len(sizes), 0, bounded=True, parts=lambda name: sizes.get(name, INSIDE) if name is not None else INSIDE)
