"""Documents other than capsules, read by the same bounded reader into their models."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from somagent.governance.documents import (
    BAD,
    Diagnostic,
    Node,
    Shape,
    ShapeCheck,
    Source,
    decode_source,
    model_schema,
    read_yaml,
    shape_of,
)

_ModelT = TypeVar("_ModelT")


def read_document(
    name: str, content: bytes, model: type[_ModelT]
) -> tuple[Source, Node | None, _ModelT | None, list[Diagnostic]]:
    """The document's text, its tree, its model unless anything is wrong, and what is wrong."""
    source, found = decode_source(name, content)
    if found:
        return source, None, None, found
    root, found = read_yaml(source)
    if root is None:
        return source, None, None, found
    checker = ShapeCheck(source, templates=True)
    value = checker.check(root, _shape_of(model), ())
    found = [*found, *checker.diagnostics]
    if found or value is BAD:
        return source, root, None, found
    return source, root, msgspec.convert(value, model), found


def _shape_of(model: Any) -> Shape:
    return _shape(model)


@cache
def _shape(model: type) -> Shape:
    return shape_of(model_schema(model))


def first_of(found: list[Diagnostic]) -> Diagnostic:
    """The first mistake in the order of the text. A missing field comes last: mostly it is there, misspelt."""
    return min(found, key=lambda one: (one.name == "missing-field", one.span))


def first_mistake(source: Source, found: list[Diagnostic]) -> str:
    """The first mistake, with its place, as one line; and how many more there are."""
    first = first_of(found)
    line, column = source.position(first.span.start)
    hint = f"; {first.note}" if first.note else ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{source.name}:{line}:{column}: {first.message}{hint}{more}"
