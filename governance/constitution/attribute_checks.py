"""What a declared attribute can get wrong although its form is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from somagent.governance.constitution.attributes import convert
from somagent.governance.constitution.model import Attribute

Path = tuple[str | int, ...]
Report = Callable[[str, str, Path, str], None]
"""Takes a fault's name, its message, the path of the key or value to point at, and the way out."""

_BOUNDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("minimum", "maximum", ("integer", "number")),
    ("minLength", "maxLength", ("string",)),
    ("minItems", "maxItems", ("array",)),
)
_FIELDS = {"minLength": "min_length", "maxLength": "max_length", "minItems": "min_items", "maxItems": "max_items"}
_OF_TYPE: dict[str, tuple[str, ...]] = {
    "enum": ("string", "integer", "number", "boolean"),
    "items": ("array",),
    "properties": ("object",),
    "required": ("object",),
}


def check_attribute(attribute: Attribute, path: Path, report: Report) -> None:
    """Reports keywords that say nothing about the type, bounds that leave nothing, and values that do not fit."""
    name = path[-1]
    for low, high, types in _BOUNDS:
        values = [_value(attribute, keyword) for keyword in (low, high)]
        for keyword, value in zip((low, high), values, strict=True):
            if value is not None and attribute.type not in types:
                _misplaced(keyword, types, attribute, path, report)
        least, most = values
        if least is not None and most is not None and least > most:
            message = f"`{name}` can have no value: {low} is above {high}"
            report("constitution-attribute-keyword", message, (*path, low), "exchange the two")
    for keyword, of_types in _OF_TYPE.items():
        if _value(attribute, keyword) is not None and attribute.type not in of_types:
            _misplaced(keyword, of_types, attribute, path, report)
    for index, choice in enumerate(attribute.enum or ()):
        _check_value(attribute, choice, (*path, "enum", index), report)
    if attribute.default is not None:
        _check_value(attribute, attribute.default, (*path, "default"), report)
    for member in attribute.required or ():
        if member not in (attribute.properties or {}):
            message = f"`{name}` requires `{member}`, which is not among its properties"
            report("constitution-attribute-required", message, (*path, "required"), "declare it or take it out")
    if attribute.items is not None:
        check_attribute(attribute.items, (*path, "items"), report)
    for member, of in (attribute.properties or {}).items():
        check_attribute(of, (*path, "properties", member), report)


def _value(attribute: Attribute, keyword: str) -> Any:
    return getattr(attribute, _FIELDS.get(keyword, keyword))


def _misplaced(keyword: str, types: tuple[str, ...], attribute: Attribute, path: Path, report: Report) -> None:
    message = f"`{keyword}` says nothing about `{path[-1]}`, which is of type {attribute.type}"
    report("constitution-attribute-keyword", message, (*path, keyword), f"it is for {' and '.join(types)}")


def _check_value(attribute: Attribute, value: Any, path: Path, report: Report) -> None:
    problems: list[str] = []
    convert(attribute, value, ".".join(map(str, path[2:])), problems)
    for problem in problems:
        report("constitution-attribute-value", problem, path, "change the value or the attribute")
