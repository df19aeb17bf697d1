"""The schemas that authors write for inputs, outputs and types make sense in themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from somagent.governance.documents import Diagnostic, MappingNode, Node, Path, Span, node_at

JsonSchema = dict[str, Any]
Place = Callable[[Path], Span]

_FITS = {
    "minimum": {"integer", "number"},
    "maximum": {"integer", "number"},
    "minLength": {"string"},
    "maxLength": {"string"},
    "pattern": {"string"},
    "format": {"string"},
    "items": {"array"},
    "minItems": {"array"},
    "maxItems": {"array"},
    "properties": {"object"},
    "required": {"object"},
    "additionalProperties": {"object"},
    "path": {"artifact"},
}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


def check_value_schema(schema: JsonSchema, path: Path, root: Node, *, inner: bool = False) -> Iterator[Diagnostic]:
    """Every mistake in the schema at a path of the document `root`, and in the schemas inside it."""

    def place(path: Path) -> Span:
        node = node_at(root, path)
        return node.span if node is not None else root.span

    if "$ref" in schema:
        others = sorted(set(schema) - {"$ref", "description", "default"})
        if others:
            message = f"`{others[0]}` has no effect beside `$ref`"
            yield Diagnostic("keyword-beside-ref", message, place((*path, others[0])), help="put it into the type")
        return
    kind = schema.get("type")
    if kind is None:
        node = node_at(root, path)
        if isinstance(node, MappingNode) and "type" in node.entries:
            return  # it has one that does not exist, which was reported
        help_ = "add `type:`; one of string, integer, number, boolean, object, array, artifact"
        yield Diagnostic("schema-without-type", f"`{path[-1]}` has no type", place(path), help=help_)
        return
    for keyword, kinds in _FITS.items():
        if keyword in schema and kind not in kinds:
            message = f"`{keyword}` has no meaning for a value of type {kind}"
            help_ = f"it is for {' and '.join(sorted(kinds))}"
            yield Diagnostic("keyword-of-other-type", message, place((*path, keyword)), help=help_)
    for low, high in _PAIRS:
        if low in schema and high in schema and schema[low] > schema[high]:
            message = f"`{low}` is greater than `{high}`: no value is allowed"
            yield Diagnostic("empty-range", message, place((*path, high)), help="exchange the two")
    yield from _check_pattern(schema, path, place)
    yield from _check_values(schema, path, place)
    for name in schema.get("required", ()):
        if name not in schema.get("properties", {name: None}):
            message = f"`required` names `{name}`, which is not among the properties"
            yield Diagnostic("required-unknown", message, place((*path, "required")), help="declare it or take it out")
    if kind == "artifact" and inner:
        help_ = "make it an output of its own"
        yield Diagnostic(
            "artifact-inside-value", "an artifact cannot be part of another value", place(path), help=help_
        )
    if "items" in schema:
        yield from check_value_schema(schema["items"], (*path, "items"), root, inner=True)
    for name, part in schema.get("properties", {}).items():
        yield from check_value_schema(part, (*path, "properties", name), root, inner=True)


def _check_pattern(schema: JsonSchema, path: Path, place: Place) -> Iterator[Diagnostic]:
    if "pattern" not in schema:
        return
    try:
        re.compile(schema["pattern"])
    except re.error as error:
        message = f"`pattern` is not a regular expression: {error.msg}"
        yield Diagnostic("bad-pattern", message, place((*path, "pattern")), help="check brackets and backslashes")


def _check_values(schema: JsonSchema, path: Path, place: Place) -> Iterator[Diagnostic]:
    """`default` and each `enum` value are values that the schema allows."""
    values = [(("enum", index), value) for index, value in enumerate(schema.get("enum", ()))]
    if "default" in schema:
        values.append((("default",), schema["default"]))  # type: ignore[arg-type]  # a path of one key
    for at, value in values:
        reason = _refusal(schema, value, of_enum=at[0] == "enum")
        if reason:
            message = f"`{at[0]}` {reason}"
            yield Diagnostic(
                "value-against-schema", message, place((*path, *at)), help="change the value or the schema"
            )


def _refusal(schema: JsonSchema, value: Any, *, of_enum: bool) -> str:
    kind = schema["type"]
    fits = kind in _KINDS and type(value) in _KINDS[kind]
    if not fits:
        return f"is not of type {kind}"
    if not of_enum and "enum" in schema and value not in schema["enum"]:
        return "is not one of `enum`"
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return "is outside `minimum` and `maximum`"
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return "is outside `minLength` and `maxLength`"
    return ""
