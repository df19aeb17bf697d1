"""What a policy step hands over, held against the attributes that a constitution declares: closed, typed, complete.

A value outside the declaration never reaches a rule, so no rule has to doubt its input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    BorderError,
    Field,
    ListType,
    MapType,
    ObjectType,
    SimpleType,
    Type,
    from_json,
)
from somagent.governance.constitution.model import Attribute
from somagent.governance.documents import nearest

INT64 = range(-(2**63), 2**63)

_SIMPLE: dict[str, SimpleType] = {"string": STRING, "integer": INT, "number": DOUBLE, "boolean": BOOL}
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


class InputRefused(Exception):
    """An input is not what the constitution declares; `problems` says each mistake, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def attribute_type(attribute: Attribute, name: str = "") -> Type:
    """What expressions see of an attribute."""
    if attribute.type == "array":
        return ListType(attribute_type(attribute.items, f"{name}[]") if attribute.items else DYN)
    if attribute.type != "object":
        simple = _SIMPLE[attribute.type]
        return simple if attribute.enum is None else SimpleType(simple.name, tuple(attribute.enum))
    if attribute.properties is None:
        return MapType(STRING, DYN)
    required = attribute.required or ()
    fields = {
        member: Field(attribute_type(of, f"{name}.{member}"), required=member in required, doc=of.description)
        for member, of in attribute.properties.items()
    }
    return ObjectType(fields, title=f"`{name}`")


def admit(attributes: Mapping[str, Attribute], given: Mapping[str, Any]) -> dict[str, Any]:
    """The input with defaults filled in and numbers as their declared kind; raises `InputRefused`."""
    problems: list[str] = []
    for name in given:
        if name not in attributes:
            near = nearest(name, attributes)
            hint = f"; did you mean `{near}`?" if near else ""
            problems.append(f"`input.{name}` is not an attribute of this constitution{hint}")
    admitted = {}
    for name, attribute in attributes.items():
        if name in given:
            admitted[name] = convert(attribute, given[name], f"input.{name}", problems)
        elif attribute.default is not None:
            admitted[name] = convert(attribute, attribute.default, f"input.{name}", problems)
        else:
            problems.append(f"`input.{name}` is missing")
    if problems:
        raise InputRefused(problems)
    return admitted


def convert(attribute: Attribute, value: Any, path: str, problems: list[str]) -> Any:
    """The value as its declared kind; what does not fit is added to `problems`.

    Kinds are JSON Schema's: 3.0 is a whole number, a boolean is never a number. Whole numbers have 64 bits.
    """
    fitting = _as_kind(attribute.type, value)
    if fitting is None:
        problems.append(f"`{path}` must be {_WORDS[attribute.type]}, not {_brief(value)}")
        return value
    problems.extend(f"`{path}` {fault}" for fault in _faults(attribute, fitting))
    if attribute.type == "array" and attribute.items is not None:
        items = attribute.items
        return [convert(items, item, f"{path}[{index}]", problems) for index, item in enumerate(fitting)]
    if attribute.type == "object" and attribute.properties is not None:
        known = attribute.properties
        problems.extend(f"`{path}` has no member `{name}`" for name in fitting if name not in known)
        problems.extend(f"`{path}.{name}` is missing" for name in attribute.required or () if name not in fitting)
        return {
            name: convert(known[name], of, f"{path}.{name}", problems) for name, of in fitting.items() if name in known
        }
    return _open(fitting, path, problems) if attribute.type in {"array", "object"} else fitting


def _open(value: Any, path: str, problems: list[str]) -> Any:
    """A list or mapping whose inside is not declared, as expressions have it."""
    try:
        return from_json(value, DYN)
    except BorderError as error:
        problems.append(f"`{path}` cannot be read: {error}")
    except RecursionError:
        problems.append(f"`{path}` is nested too deeply")
    return value


def _as_kind(kind: str, value: Any) -> Any:
    """The value as the kind has it, None when it is of another kind."""
    match value:
        case bool():
            return value if kind == "boolean" else None
        case int() if kind == "number":
            return float(value) if abs(value) <= 2**1023 else None
        case int():
            return value if kind == "integer" and value in INT64 else None
        case float() if kind == "integer":
            return int(value) if value.is_integer() and int(value) in INT64 else None
        case float():
            return value if kind == "number" and isfinite(value) else None
        case str():
            return value if kind == "string" else None
        case list():
            return value if kind == "array" else None
        case dict():
            return value if kind == "object" and all(isinstance(key, str) for key in value) else None
    return None


def _faults(attribute: Attribute, value: Any) -> Iterator[str]:
    if attribute.enum is not None and value not in attribute.enum:
        yield f"must be one of {', '.join(str(choice) for choice in attribute.enum)}, not {_brief(value)}"
    if attribute.type in {"integer", "number"}:  # a keyword that is not for the type has been reported
        if attribute.minimum is not None and value < attribute.minimum:
            yield f"must be at least {attribute.minimum:g}, not {_brief(value)}"
        if attribute.maximum is not None and value > attribute.maximum:
            yield f"must be at most {attribute.maximum:g}, not {_brief(value)}"
    for kind, unit, low, high in (
        ("string", "characters", attribute.min_length, attribute.max_length),
        ("array", "items", attribute.min_items, attribute.max_items),
    ):
        if attribute.type != kind:
            continue
        if low is not None and len(value) < low:
            yield f"must have at least {low} {unit}, not {len(value)}"
        if high is not None and len(value) > high:
            yield f"must have at most {high} {unit}, not {len(value)}"


def _brief(value: Any) -> str:
    match value:
        case None:
            text = "empty"
        case bool():
            text = str(value).lower()
        case list():
            text = f"a list of {len(value)}"
        case dict():
            text = "a mapping"
        case _:
            text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
