"""The fields of capsules as Markdown tables, written from the JSON Schema that the compiler itself works with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from somagent.capsule_compiler.catalogue import OperatorEntry

JsonSchema = dict[str, Any]
FIRST_VERSION = "0.1.0"  # a field of a later one says so: `since` in its hints
_BLOCK = re.compile(r"(<!-- (fields|outputs): (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_HEAD = "\n| field | type | default | since | meaning |\n|---|---|---|---|---|\n"


class FieldTables:
    """Writes the table of each model and operator between the marks that ask for it."""

    def __init__(self, definitions: Mapping[str, JsonSchema], operators: Mapping[str, OperatorEntry] = {}) -> None:
        self._definitions = definitions
        self._operators = operators
        self.written: set[str] = set()
        self.elsewhere: dict[str, str] = {}  # pages of models that another page describes

    @property
    def all_names(self) -> set[str]:
        """Whatever has fields to write about."""
        return {*self._definitions, *(name for name, entry in self._operators.items() if entry.core)}

    def put_into(self, page: str) -> str:
        return _BLOCK.sub(self._block, page)

    def _block(self, found: re.Match[str]) -> str:
        begin, what, name, end = found.groups()
        if what == "outputs":
            return f"{begin}{self._outputs(name)}\n{end}"
        self.written.add(name)
        schema = self._definitions.get(name) or self._definitions["Step"]["properties"][name]
        required = schema.get("required", ())
        fields = schema["properties"].items()
        rows = [self._row(key, field, key in required) for key, field in fields if key not in self._operators]
        return f"{begin}{_HEAD}{''.join(rows)}\n{end}"

    def _outputs(self, operator: str) -> str:
        rows = [
            f"| `{name}` | {self._type(schema)} | {schema.get('description', '')} |\n"
            for name, schema in self._operators[operator].outputs.items()
        ]
        return "\n| output | type | meaning |\n|---|---|---|\n" + "".join(rows)

    def _row(self, name: str, field: JsonSchema, required: bool) -> str:
        default = "required" if required else _default(field)
        since = field.get("x-somagent", {}).get("since", FIRST_VERSION)
        example = "".join(f"; e.g. {_code(one)}" for one in field.get("examples", [])[:1])
        cells = [f"`{name}`", self._type(field), default, since, field.get("description", "") + example]
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"

    def _type(self, schema: JsonSchema) -> str:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            page = "" if name in self.written or name not in self.elsewhere else self.elsewhere[name]
            return f"[{name}]({page}#{name.lower()})"
        hints: Mapping[str, Any] = schema.get("x-somagent", {})
        if "enum" in schema:
            return ", ".join(_code(one) for one in schema["enum"])
        if "noun" in hints:
            return str(hints["noun"])
        kind = schema.get("type", "any value")
        if kind == "array":
            return f"list{_bounds(schema, 'Items')} of {self._type(schema.get('items', {}))}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"by name: {self._type(schema['additionalProperties'])}"
        return f"{kind}{_bounds(schema, 'Length')}{_range(schema)}"


def _default(field: JsonSchema) -> str:
    default = field.get("default")
    return _code(default) if default not in (None, {}, [], "") else ""


def _bounds(schema: JsonSchema, of: str) -> str:
    low, high = schema.get(f"min{of}"), schema.get(f"max{of}")
    if low is None and high is None:
        return ""
    return f" ({low or 0} or more)" if high is None else f" ({low or 0} to {high})"


def _range(schema: JsonSchema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f", {low:,} or more" if high is None else f", {low:,} to {high:,}"


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
