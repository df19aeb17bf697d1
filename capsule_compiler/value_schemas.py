"""The schemas that authors write for inputs, outputs and types make sense in themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from somagent.capsule_compiler.model.values import ValueSchema
from somagent.capsule_compiler.schema_values import refusal
from somagent.capsule_compiler.value_types import REF, circles
from somagent.governance.cel.patterns import PatternFault, compile_pattern
from somagent.governance.documents import (
    Diagnostic,
    Label,
    MappingNode,
    Node,
    Path,
    ScalarNode,
    Source,
    Span,
    in_document,
    key_at,
    node_at,
)

JsonSchema = dict[str, Any]

_FITS = {
    "minimum": {"integer", "number"},
    "maximum": {"integer", "number"},
    "minLength": {"string"},
    "maxLength": {"string"},
    "pattern": {"string"},
    "items": {"array"},
    "minItems": {"array"},
    "maxItems": {"array"},
    "properties": {"object"},
    "required": {"object"},
    "additionalProperties": {"object"},
    "path": {"artifact"},
    "grantTo": {"secret"},
    "default": {"string", "integer", "number", "boolean", "object", "array", "artifact"},
    "enum": {"string", "integer", "number", "boolean", "object", "array", "artifact"},
}
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
FIELDS = frozenset(ValueSchema.__struct_encode_fields__)
_BESIDE_REF = frozenset({"$ref", "description", "default"})

_TOO_MANY = re.compile(r"\{[0-9,]*[0-9]{9}")  # RE2 then takes the brace as it is


class SchemaCheck:
    """Checks the schemas of one document, whose named schemas are `types`."""

    def __init__(self, source: Source, root: Node, types: Mapping[str, JsonSchema]) -> None:
        self._source = source
        self._root = root
        self._types = types

    def check(self, schema: JsonSchema, path: Path, *, inner: bool = False) -> Iterator[Diagnostic]:
        """Every mistake in the schema at a path of the document, and in the schemas inside it."""
        if "$ref" in schema:
            for keyword in [key for key in schema if key not in _BESIDE_REF]:
                message = f"`{keyword}` has no effect beside `$ref`"
                help_ = f"write it under `{schema['$ref'].removeprefix('#/')}`, or take it out"
                yield Diagnostic("keyword-beside-ref", message, self._key((*path, keyword)), help=help_)
            yield from self._values(schema, path)
            return
        if "type" not in schema:
            yield from self._typeless(path)
            return
        if len(schema) > 1:
            yield from self._keywords(schema, path)
            yield from self._pattern(schema, path)
            if schema["type"] != "secret":  # what is said of its value has been refused
                yield from self._values(schema, path)
        if schema["type"] == "artifact" and inner:
            message, help_ = "an artifact cannot be part of another value", "make it an output of its own"
            yield Diagnostic("artifact-inside-value", message, self._span((*path, "type")), help=help_)
        if schema["type"] == "secret" and (inner or path[:2] != ("spec", "inputs")):
            message, help_ = "only an input can be a secret", "declare it under `inputs`, or under `uses.secrets`"
            yield Diagnostic("secret-misplaced", message, self._span((*path, "type")), help=help_)
        if "items" in schema:
            yield from self.check(schema["items"], (*path, "items"), inner=True)
        for name, part in schema.get("properties", {}).items():
            yield from self.check(part, (*path, "properties", name), inner=True)

    def endless(self) -> Iterator[Diagnostic]:
        """Named schemas that no value can satisfy, because one of them always has another one of them inside."""
        graph = {
            name: [inner for inner in _always_inside(schema) if inner in self._types]
            for name, schema in self._types.items()
        }
        for circle in circles(graph):
            first = min(circle, key=lambda name: self._key(("spec", "types", name)))
            if len(circle) == 1 and first not in graph[first]:
                continue
            message = f"a value of type `{first}` never ends: it always has another one inside"
            labels = [Label(self._key(("spec", "types", name)), "and this one") for name in circle if name != first]
            yield Diagnostic(
                "endless-type",
                message,
                self._key(("spec", "types", first)),
                labels=tuple(sorted(labels, key=lambda label: label.span)),
                help="take the inner one out of `required`, or put it into a list that may be empty",
            )

    def _typeless(self, path: Path) -> Iterator[Diagnostic]:
        node = node_at(self._root, path)
        if isinstance(node, MappingNode) and ({"type", "$ref"} & node.entries.keys() or node.entries.keys() - FIELDS):
            return  # what is there is wrong, which was said
        help_ = "add `type:`; one of string, integer, number, boolean, object, array, artifact"
        yield Diagnostic("schema-without-type", f"`{path[-1]}` has no type", self._key(path), help=help_)

    def _keywords(self, schema: JsonSchema, path: Path) -> Iterator[Diagnostic]:
        kind = schema["type"]
        for keyword, kinds in _FITS.items():
            if keyword in schema and kind not in kinds:
                message = f"`{keyword}` says nothing about a value of type {kind}"
                help_ = f"it is for {', '.join(sorted(kinds))}"
                if kind == "secret":
                    help_ = "who starts a run names the secret, and nothing can be said here of its value"
                yield Diagnostic("keyword-of-other-type", message, self._key((*path, keyword)), help=help_)
        for low, high in _PAIRS:
            if low in schema and high in schema and schema[low] > schema[high]:
                message = f"`{low}` is greater than `{high}`: no value is allowed"
                labels = (Label(self._span((*path, low)), f"`{low}`"),)
                yield Diagnostic(
                    "empty-range", message, self._span((*path, high)), labels=labels, help="exchange the two"
                )
        for index, name in enumerate(schema.get("required", ()) if "properties" in schema else ()):
            if name not in schema["properties"]:
                message = f"`required` names `{name}`, which is not among the properties"
                help_ = "declare it or take it out"
                yield Diagnostic("required-unknown", message, self._span((*path, "required", index)), help=help_)

    def _pattern(self, schema: JsonSchema, path: Path) -> Iterator[Diagnostic]:
        pattern = schema.get("pattern")
        if pattern is None:
            return
        at = (*path, "pattern")
        try:
            compile_pattern(pattern)
        except PatternFault as fault:
            message = f"`pattern` is not a regular expression: {fault.message}"
            found = Diagnostic("bad-pattern", message, fault.span, help=fault.help)
            node = node_at(self._root, at)
            if isinstance(node, ScalarNode):
                yield from in_document(self._source, node, [found])
            return
        if _TOO_MANY.search(pattern):
            message = "`pattern` has a number in braces that is too large to be a repetition, and would be plain text"
            yield Diagnostic("bad-pattern", message, self._span(at), help="a repetition counts to 1000 at most")

    def _values(self, schema: JsonSchema, path: Path) -> Iterator[Diagnostic]:
        """`default` and each `enum` value are values that the schema allows."""
        values: list[tuple[Path, Any]] = [
            (("enum", index), value) for index, value in enumerate(schema.get("enum", ()))
        ]
        if "default" in schema:
            values.append((("default",), schema["default"]))
        for at, value in values:
            around = {key: part for key, part in schema.items() if key != at[0]}
            reason = refusal(around, value, self._types)
            if reason:
                message = f"`{at[0]}` {reason}"
                help_ = "change the value or the schema"
                yield Diagnostic("value-against-schema", message, self._span((*path, *at)), help=help_)

    def _span(self, path: Path) -> Span:
        while path:
            node = node_at(self._root, path)
            if node is not None:
                return node.span
            path = path[:-1]
        return self._root.span

    def _key(self, path: Path) -> Span:
        key = key_at(self._root, path)
        return key.span if key is not None else self._span(path)


def _always_inside(schema: JsonSchema) -> Iterator[str]:
    """The named schemas of which every value of a schema holds one."""
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(REF)
    if schema.get("minItems", 0) > 0:
        yield from _always_inside(schema.get("items", {}))
    for name in schema.get("required", ()):
        yield from _always_inside(schema.get("properties", {}).get(name, {}))
