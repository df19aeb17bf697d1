"""An answer to paste: every output that a step declares, with the smallest value of its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any

from somagent.capsule_compiler.plan import Node, Plan
from somagent.capsule_compiler.value_types import REF

_DEEPEST = 4


def skeleton(node: Node, plan: Plan) -> str:
    """The answer in one line, as YAML reads it."""
    outputs = {name: smallest(schema, plan.types) for name, schema in node.outputs.items()}
    body = f"outputs: {json.dumps(outputs, ensure_ascii=False)}"
    return f"{{ items: [{{ {body} }}] }}" if node.fan_out is not None else f"{{ {body} }}"


def smallest(schema: Mapping[str, Any], types: Mapping[str, Any], depth: int = 0) -> Any:
    """A small value of a schema; patterns are the author's."""
    if "$ref" in schema:
        return smallest(types.get(str(schema["$ref"]).removeprefix(REF), {}), types, depth + 1)
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return "x" * schema.get("minLength", 0)
        case "integer" | "number":
            number = min(max(schema.get("minimum", 0), 0), schema.get("maximum", inf))
            return int(number) if number == int(number) else number
        case "boolean":
            return False
        case "array":
            item = smallest(schema.get("items", {}), types, depth + 1) if depth < _DEEPEST else None
            return [item] * min(schema.get("minItems", 0), 20)
        case "object":
            members = schema.get("properties") or {}
            wanted = [name for name in schema.get("required", ()) if name in members] if depth < _DEEPEST else []
            return {name: smallest(members[name], types, depth + 1) for name in wanted}
        case "artifact":
            return {"text": ""}
    return None
