"""The JSON Schema of a capsule for an installation: the models, with a key in `Step` for each core operator."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import msgspec

from somagent.capsule_compiler.catalogue import HOLES, Catalogue
from somagent.capsule_compiler.model.capsule import Capsule
from somagent.governance.documents import HINTS

OPERATOR_KEY = "operator"  # `operator: {name, with}`: how operators of other packages are written


@cache
def _base() -> dict[str, Any]:
    return msgspec.json.schema(Capsule)


def capsule_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Draft 2020-12, one document, `$defs` inside."""
    schema = copy.deepcopy(_base())
    definitions = schema["$defs"]
    step = definitions["Step"]
    core = [entry for entry in catalogue.operators.values() if entry.core]
    for entry in core:
        arguments = copy.deepcopy(entry.arguments)
        definitions.update(arguments.pop("$defs", {}))
        step["properties"][entry.name] = {
            **arguments,
            "title": f"{entry.name} step",
            "description": entry.summary,
            HINTS: {HOLES: True},
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
    }
    step["oneOf"] = [{"required": [entry.name]} for entry in core] + [{"required": [OPERATOR_KEY]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Task Capsule", **schema}
