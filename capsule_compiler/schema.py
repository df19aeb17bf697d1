"""The JSON Schema of a capsule for an installation: the models, with a key in `Step` for each core operator.

There are two: the one that the compiler holds capsules against, which knows that `${{ }}` may stand for any argument,
and the one for editors, which says so.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from somagent.capsule_compiler.catalogue import HOLES, PLAIN, Catalogue
from somagent.capsule_compiler.model.capsule import Capsule
from somagent.capsule_compiler.snippets import editor_snippets
from somagent.governance.documents import HINTS, model_schema

OPERATOR_KEY = "operator"  # `operator: {name, with}`: how operators of other packages are written

JsonSchema = dict[str, Any]
_HOLE: JsonSchema = {"type": "string", "pattern": r"\$\{\{"}
_NARROW = frozenset({"enum", "pattern", "minLength", "maxLength", "$ref"})
_ABOUT = ("title", "description", "examples", "default")


@cache
def _base() -> JsonSchema:
    return model_schema(Capsule)


def capsule_schema(catalogue: Catalogue) -> JsonSchema:
    """Draft 2020-12, one document, `$defs` inside."""
    return _schema(catalogue, for_editors=False)


def editor_schema(catalogue: Catalogue) -> JsonSchema:
    """The same, accepting `${{ }}` wherever the compiler evaluates it."""
    return _schema(catalogue, for_editors=True)


def _schema(catalogue: Catalogue, *, for_editors: bool) -> JsonSchema:
    schema = copy.deepcopy(_base())
    definitions = schema["$defs"]
    step = definitions["Step"]
    core = [entry for entry in catalogue.operators.values() if entry.core]
    for entry in core:
        arguments = copy.deepcopy(entry.arguments)
        for name, definition in arguments.pop("$defs", {}).items():
            if name in definitions:
                raise ValueError(f"operator `{entry.name}` defines `{name}`, which is defined already")
            definitions[name] = _inside(definition) if for_editors else definition
        step["properties"][entry.name] = {
            **(_inside(arguments) if for_editors else arguments),
            "title": f"{entry.name} step",
            "description": entry.summary,
            HINTS: {HOLES: True, "group": "operators"},
        }
    step["properties"][OPERATOR_KEY] = {
        "title": "ForeignOperator",
        "description": "An operator of another package",
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The operator's name"},
            "with": {"description": "Its arguments", HINTS: {HOLES: True}},
        },
        "required": ["name"],
        "additionalProperties": False,
        HINTS: {"group": "operators"},
    }
    step["oneOf"] = [{"required": [entry.name]} for entry in core] + [{"required": [OPERATOR_KEY]}]
    if for_editors:
        step["defaultSnippets"] = editor_snippets(core)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Task Capsule", **schema}


def _with_hole(schema: Any) -> Any:
    """A schema that takes `${{ }}` for the whole value as well, and inside it."""
    if not isinstance(schema, dict) or PLAIN in schema.get(HINTS, {}):
        return schema
    inside = _inside(schema)
    if schema.get("type", "string") == "string" and _NARROW.isdisjoint(schema):
        return inside
    about = {key: inside.pop(key) for key in _ABOUT if key in inside}
    return {**about, "anyOf": [inside, _HOLE]}


def _inside(schema: JsonSchema) -> JsonSchema:
    opened = dict(schema)
    if "properties" in opened:
        opened["properties"] = {name: _with_hole(part) for name, part in opened["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in opened:
            opened[keyword] = _with_hole(opened[keyword])
    return opened
