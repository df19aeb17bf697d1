"""A JSON Schema made ready to be held against a document's tree.

The schemas are those that the models generate (msgspec), so the form is written once. Understood: `type`, `enum`,
`const`, `properties`, `required`, `additionalProperties`, `propertyNames`, `items`, `minimum`, `maximum`,
`minLength`, `maxLength`, `pattern`, `minItems`, `maxItems`, `$ref` into `$defs`, and hints under `x-somagent`:

- `noun`: what a value is, for messages ("a duration like 15m")
- `holes`: here and inside, `${{ }}` is evaluated
- `plain`: not here, although around; the text is the way out that is shown
- `instead`: the way out for a boolean, which other languages have there
- `lone`: a value alone, where the mapping with this field should be, is meant for this field
- `exact`: never guessed from what was written
- `group`: what fields like this one are called together, in lists of fields
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from somagent.governance.documents.nodes import MappingNode, SequenceNode

HINTS: Final = "x-somagent"

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


class Shape:
    """A JSON Schema, ready to be compared with nodes."""

    __slots__ = (
        "bounds",
        "enum",
        "exact",
        "extra",
        "fields",
        "group",
        "holes",
        "instead",
        "items",
        "keys",
        "lengths",
        "lone",
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
        self.holes: bool = hints.get("holes", False)
        self.instead: str = hints.get("instead", "")
        self.exact: bool = hints.get("exact", False)
        self.group: str = hints.get("group", "")
        self.title = _spaced(schema.get("title", ""))
        self.enum: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
        if self.enum is not None and not names:  # a closed set of scalars says its types itself
            self.types = tuple({type(choice) for choice in self.enum})
            self.words = self.noun or "one of " + ", ".join(f"`{choice}`" for choice in self.enum)
        pattern: str | Form | None = schema.get("pattern")
        self.pattern = _Written(pattern) if isinstance(pattern, str) else pattern
        self.bounds = (schema.get("minimum"), schema.get("maximum"))
        low, high = ("minItems", "maxItems") if "array" in names else ("minLength", "maxLength")
        self.lengths = (schema.get(low, 0), schema.get(high))
        self.required: tuple[str, ...] = tuple(schema.get("required", ()))
        self.fields = {name: resolve(field) for name, field in schema.get("properties", {}).items()}
        self.lone = [name for name, field in schema.get("properties", {}).items() if field.get(HINTS, {}).get("lone")]
        extra = schema.get("additionalProperties", True)
        self.extra = resolve(extra) if isinstance(extra, dict) else _ANY if extra else None
        self.keys = resolve(schema["propertyNames"]) if "propertyNames" in schema else None
        self.items = resolve(schema["items"]) if isinstance(schema.get("items"), dict) else _ANY


class Form(Protocol):
    """A regular expression, by whatever engine; one that stands in a schema is taken as it is."""

    text: str

    def search(self, text: str) -> object:
        """Something true when it fits anywhere in the text."""


class _Written:
    """One of the models' own, as JSON Schema means it: `$` is the end of the text, not a place before it."""

    __slots__ = ("search", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.search: Callable[[str], object] = self._first_search

    def _first_search(self, text: str) -> object:
        """Compiles it now: most patterns of a language are never met in one file."""
        self.search = re.compile(re.sub(r"(?<!\\)\$(?=$|[|)])", r"\\Z", self.text)).search
        return self.search(text)


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
