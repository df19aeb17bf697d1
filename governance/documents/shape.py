"""Checks a document's tree against a JSON Schema and reports every mistake at its place.

The schemas are those that the models generate (msgspec), so the form is written once. Understood: `type`, `enum`,
`const`, `properties`, `required`, `additionalProperties`, `propertyNames`, `items`, `minimum`, `maximum`,
`minLength`, `maxLength`, `pattern`, `minItems`, `maxItems`, `$ref` into `$defs`, and hints under `x-somagent`:

- `noun`: what a value is, for messages ("a duration like 15m")
- `plain`: no `${{ }}` here; the text is the way out that is shown
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from somagent.governance.documents.diagnostic import Diagnostic, Edit
from somagent.governance.documents.nearest import nearest
from somagent.governance.documents.nodes import MappingNode, Node, Path, ScalarNode, SequenceNode
from somagent.governance.documents.source import Span

HINTS: Final = "x-somagent"
HOLE: Final = "${{"

FAULTS = frozenset(
    {"unknown-field", "missing-field", "wrong-type", "not-one-of", "not-in-form", "out-of-range", "no-expression-here"}
)

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (MappingNode,),
    "array": (SequenceNode,),
}
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
    "object": "a mapping",
    "array": "a list",
}


class _Bad:
    """A value that was reported and must not be used."""


BAD: Final = _Bad()


class Shape:
    """A JSON Schema, ready to be compared with nodes."""

    __slots__ = (
        "bounds",
        "enum",
        "extra",
        "fields",
        "items",
        "keys",
        "lengths",
        "noun",
        "pattern",
        "plain",
        "required",
        "title",
        "types",
        "words",
    )

    def __init__(self, schema: dict[str, Any], resolve: Callable[[dict[str, Any]], Shape]) -> None:
        hints = schema.get(HINTS, {})
        kinds = schema.get("type")
        names = [kinds] if isinstance(kinds, str) else list(kinds or ())
        self.types = tuple(kind for name in names for kind in _TYPES[name])
        self.noun: str = hints.get("noun", "")
        self.words = self.noun or " or ".join(_WORDS[name] for name in names)
        self.plain: str = hints.get("plain", "")
        self.title = _spaced(schema.get("title", ""))
        self.enum: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
        if self.enum is not None and not names:  # a closed set of scalars says its types itself
            self.types = tuple({type(choice) for choice in self.enum})
            self.words = self.noun or "one of " + ", ".join(f"`{choice}`" for choice in self.enum)
        self.pattern = re.compile(schema["pattern"]) if "pattern" in schema else None
        self.bounds = (schema.get("minimum"), schema.get("maximum"))
        low, high = ("minItems", "maxItems") if "array" in names else ("minLength", "maxLength")
        self.lengths = (schema.get(low, 0), schema.get(high))
        self.required: tuple[str, ...] = tuple(schema.get("required", ()))
        self.fields = {name: resolve(field) for name, field in schema.get("properties", {}).items()}
        extra = schema.get("additionalProperties", True)
        self.extra = resolve(extra) if isinstance(extra, dict) else _ANY if extra else None
        self.keys = resolve(schema["propertyNames"]) if "propertyNames" in schema else None
        self.items = resolve(schema["items"]) if isinstance(schema.get("items"), dict) else _ANY


def _spaced(title: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title).lower()


def shape_of(schema: dict[str, Any]) -> Shape:
    """Prepares a schema; `$ref` may only point into its own `$defs`."""
    definitions = schema.get("$defs", {})
    known: dict[str, Shape] = {}

    def resolve(part: dict[str, Any]) -> Shape:
        reference = part.get("$ref")
        if reference is None:
            if "anyOf" in part:  # an optional field; absent is its only other form in a document
                part = {**part, **next(p for p in part["anyOf"] if p.get("type") != "null")}
                if "$ref" in part:
                    return resolve(part)
            return Shape(part, resolve)
        name = reference.removeprefix("#/$defs/")
        if name not in known:
            shape = known[name] = Shape.__new__(Shape)  # known before it is built: a schema may contain itself
            shape.__init__(definitions[name], resolve)  # type: ignore[misc]
        return known[name]

    return resolve(schema)


_ANY: Any = None
_ANY = Shape({}, lambda _: _ANY)
_ANY.extra = _ANY.items = _ANY
ANY: Final[Shape] = _ANY


class ShapeCheck:
    """One comparison of a tree with shapes; collects diagnostics and the paths that they make unusable."""

    def __init__(self, *, holes: bool = False) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.bad_paths: list[Path] = []
        self.partial: dict[Path, dict[str, Any]] = {}  # what is sound of mappings that are BAD
        self._holes = holes

    def check(self, node: Node, shape: Shape, path: Path) -> Any:
        """The node's plain value without what is wrong in it, or BAD when nothing of it can be used."""
        kind = type(node)
        if kind is ScalarNode:
            return self._scalar(node, shape, path)  # type: ignore[arg-type]
        if shape.types and kind not in shape.types:
            return self._wrong_type(node, shape, path)
        if kind is MappingNode:
            return self._mapping(node, shape, path)  # type: ignore[arg-type]
        return self._sequence(node, shape, path)  # type: ignore[arg-type]

    def _scalar(self, node: ScalarNode, shape: Shape, path: Path) -> Any:
        value = node.value
        if type(value) is str and HOLE in value:
            if shape.plain:
                self._fault(
                    "no-expression-here", f"`{path[-1]}` is text as it stands", node.span, path, help=shape.plain
                )
                return BAD
            if self._holes:
                return value
        if shape.types and type(value) not in shape.types:
            return self._wrong_type(node, shape, path)
        if shape.enum is not None and value not in shape.enum:
            return self._not_one_of(node, shape, path)
        if type(value) is str:
            if shape.pattern is not None and not shape.pattern.search(value):
                message = f"`{_brief(value)}` is not {shape.noun or f'of the form {shape.pattern.pattern}'}"
                return self._fault("not-in-form", message, node.span, path)
            self._length(len(value), "characters", node, shape, path)
        elif type(value) is int or type(value) is float:
            low, high = shape.bounds
            if (low is not None and value < low) or (high is not None and value > high):
                message = f"`{path[-1]}` must be {_between(low, high)}, not {value}"
                return self._fault("out-of-range", message, node.span, path)
        return value

    def _sequence(self, node: SequenceNode, shape: Shape, path: Path) -> Any:
        self._length(len(node.items), "items", node, shape, path)
        values = [self.check(item, shape.items, (*path, index)) for index, item in enumerate(node.items)]
        return BAD if BAD in values else values  # never a shorter list: indices are places

    def _mapping(self, node: MappingNode, shape: Shape, path: Path) -> Any:
        fields, extra = shape.fields, shape.extra
        result = {}
        for name, (key, child) in node.entries.items():
            field = fields.get(name) or extra
            if field is None:
                self._unknown_field(name, key, shape, path)
                continue
            if shape.keys is not None and self.check(key, shape.keys, (*path, name)) is BAD:
                continue
            value = self.check(child, field, (*path, name))
            if value is not BAD:
                result[name] = value
        missing = [name for name in shape.required if name not in result]
        for name in missing:
            if name not in node.entries:
                where = f"`{path[-1]}`" if path else "the document"
                message = f"{where} has no `{name}`"
                self._fault("missing-field", message, _first(node), path, help=f"add `{name}:`")
        if missing:
            self.partial[path] = result
            self.bad_paths.append(path)
            return BAD
        return result

    def _length(self, count: int, unit: str, node: Node, shape: Shape, path: Path) -> None:
        low, high = shape.lengths
        if count < low or (high is not None and count > high):
            name = path[-1] if path else "the document"
            self._fault(
                "out-of-range", f"`{name}` must have {_between(low, high)} {unit}, not {count}", node.span, path
            )

    def _unknown_field(self, name: str, key: ScalarNode, shape: Shape, path: Path) -> None:
        where = "the document" if not path else f"`{path[-1]}`"
        if path and shape.title and shape.title != path[-1]:
            where = f"a {shape.title}"
        near = nearest(name, shape.fields)
        self._fault(
            "unknown-field",
            f"`{name}` is not a field of {where}",
            key.span,
            path,
            note=f"did you mean `{near}`?" if near else "",
            help="" if near else "fields: " + ", ".join(shape.fields),
            edit=Edit(key.span, near, f"rename to `{near}`") if near else None,
        )

    def _wrong_type(self, node: Node, shape: Shape, path: Path) -> Any:
        edit = None
        if str in shape.types and isinstance(node, ScalarNode) and node.text:
            edit = Edit(node.span, f'"{node.text}"', "quote it")
        name = f"`{path[-1]}`" if path else "the document"
        message = f"{name} must be {shape.words}, not {_kind(node)}"
        return self._fault("wrong-type", message, node.span, path, help="quote it" if edit else "", edit=edit)

    def _not_one_of(self, node: ScalarNode, shape: Shape, path: Path) -> Any:
        choices = [str(choice) for choice in shape.enum or ()]
        near = nearest(node.text, choices)
        return self._fault(
            "not-one-of",
            f"`{_brief(node.text)}` is not a value of `{path[-1]}`",
            node.span,
            path,
            note=f"did you mean `{near}`?" if near else "",
            help="one of " + ", ".join(f"`{choice}`" for choice in choices),
            edit=Edit(node.span, near, f"write `{near}`") if near else None,
        )

    def _fault(self, name: str, message: str, span: Span, path: Path, **details: Any) -> _Bad:
        self.diagnostics.append(Diagnostic(name, message, span, **details))
        self.bad_paths.append(path)
        return BAD


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    value = node.value
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"the boolean {node.text}"
    return f"the text `{_brief(node.text)}`" if isinstance(value, str) else f"the number {_brief(node.text)}"


def _between(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if not low else f"from {low} to {high}"


def _brief(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _first(node: MappingNode) -> Span:
    """Where to point for a field that is not there: the mapping's first key."""
    for entry in node.entries.values():
        return entry.key.span
    return node.span
