"""Inputs of a capsule as the parameters of a Workflow, and back: for those who submit without the command line.

Argo renders templates in the values of parameters too, so no text of a capsule that it could take for one is among
them: such a default is written as DEFAULT, and what the people who submit write is read from the Workflow as it was
submitted, never handed on by Argo.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from somagent.capsule_compiler.plan import Plan

DEFAULT = "(default of the capsule)"
_LONGEST = 4096  # characters of a default that is shown


class Parameter(Struct, frozen=True, kw_only=True):
    """One input in the form that people fill in."""

    name: str
    description: str = ""
    value: str | None = None  # the default; without one it must be given
    enum: list[str] = []


def parameters_of(plan: Plan) -> list[Parameter]:
    """One for each input, in the order of the plan."""
    return [_parameter(name, schema, plan.types) for name, schema in plan.inputs.items()]


def given_by(parameters: Mapping[str, str], plan: Plan) -> dict[str, Any]:
    """The inputs that parameters of a Workflow give, not yet held against the plan; raises `ValueError`.

    Text where the schema says string, JSON for all others; unknown names are kept, for whoever checks inputs.
    """
    given = {}
    for name, text in parameters.items():
        if text == DEFAULT and "default" in plan.inputs.get(name, {}):
            continue
        schema = resolved(plan.inputs.get(name, {}), plan.types)
        if schema.get("type", "string") in {"string", "secret"}:
            given[name] = text
            continue
        try:
            given[name] = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(f"input `{name}` is of type {schema['type']}, written as JSON") from None
    return given


def resolved(schema: Mapping[str, Any], types: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The schema that a reference leads to."""
    while "$ref" in schema:
        schema = types.get(schema["$ref"].rpartition("/")[2], {})
    return schema


def plain(text: str) -> str:
    """The text with nothing in it that Argo could take for a template of its own."""
    return re.sub(r"\{(?=\{)", "{ ", text)


def _parameter(name: str, schema: Mapping[str, Any], types: Mapping[str, Mapping[str, Any]]) -> Parameter:
    own = schema
    schema = resolved(schema, types)
    value = None
    if "default" in own:
        text = _text(own["default"], schema)
        value = DEFAULT if "{{" in text or len(text) > _LONGEST else text
    enum = [] if value == DEFAULT else list(_choices(schema))
    said = [own.get("description") or schema.get("description", ""), _form(schema)]
    return Parameter(name=name, description=plain("; ".join(filter(None, said))), value=value, enum=enum)


def _choices(schema: Mapping[str, Any]) -> Iterator[str]:
    choices = schema.get("enum", [True, False] if schema.get("type") == "boolean" else [])
    texts = [_text(choice, schema) for choice in choices]
    if not any("{{" in text for text in texts):
        yield from texts


def _form(schema: Mapping[str, Any]) -> str:
    """How a value is written, where text as it is would be wrong."""
    kind = schema.get("type", "string")
    if kind == "secret":
        return "the name of a secret, SECRET/KEY"
    return "" if kind in {"string", "boolean"} else f"{kind}, as JSON" if kind in {"array", "object"} else kind


def _text(value: Any, schema: Mapping[str, Any]) -> str:
    if isinstance(value, str) and schema.get("type", "string") in {"string", "secret"}:
        return value
    return json.dumps(value, ensure_ascii=False)
