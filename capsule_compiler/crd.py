"""A capsule as Kubernetes sees it: the CustomResourceDefinition, made from the same models as everything else.

A structural schema cannot say all that the models say (no references, no unions, no closed maps of patterns), so it is
the part that an API server can check by itself: unknown fields, kinds of values, forms of plain fields, and, as CEL
rules within the server's cost budget, one operator for each step. Fields get no defaults there: an object comes back
as it was applied. What the schema cannot know is left to `somagent check`; it never refuses what the compiler accepts.

Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", sections on structural schemas and on
validation rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from somagent.capsule_compiler.catalogue import PLAIN, Catalogue
from somagent.capsule_compiler.schema import OPERATOR_KEY, capsule_schema
from somagent.governance.documents import HINTS

JsonSchema = dict[str, Any]

GROUP, VERSION = "somagent.io", "v1alpha1"
MAX_STEPS = 5_000
MAX_FINALS = 100  # bounds the estimated cost of the rules; the compiler's own limit is that of all steps
NAME_LENGTH = 63
NESTING = 3  # levels of a value's schema that are spelled out; what is deeper is kept as it is

_ANYTHING: JsonSchema = {"x-kubernetes-preserve-unknown-fields": True}
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern")
_MANY = ("steps", "finally")


def capsule_crd(catalogue: Catalogue) -> JsonSchema:
    """The CustomResourceDefinition (apiextensions.k8s.io/v1) of an installation's capsules."""
    definitions = capsule_schema(catalogue)["$defs"]
    spec = _Structural(definitions).object(definitions["Spec"], depth=0)
    for name, most in zip(_MANY, (MAX_STEPS, MAX_FINALS), strict=True):
        steps = spec["properties"][name]
        steps["maxProperties"] = most
        steps["x-kubernetes-validations"] = [_names(definitions["Spec"]["properties"][name])]
        steps["additionalProperties"]["x-kubernetes-validations"] = [_one_operator(catalogue), _FAN_OUT]
    spec["properties"]["steps"]["minProperties"] = 1
    schema = {
        "type": "object",
        "description": definitions["Capsule"]["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": NAME_LENGTH}}},
            "spec": spec,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"capsules.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "Capsule",
                "listKind": "CapsuleList",
                "plural": "capsules",
                "singular": "capsule",
                "categories": ["somagent"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "additionalPrinterColumns": [
                        {"name": "Package", "type": "string", "jsonPath": ".spec.package"},
                        {"name": "Version", "type": "string", "jsonPath": ".spec.version"},
                        {"name": "Budget", "type": "string", "jsonPath": ".spec.budget.cost"},
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                        {"name": "Description", "type": "string", "jsonPath": ".spec.description", "priority": 1},
                    ],
                }
            ],
        },
    }


def _one_operator(catalogue: Catalogue) -> JsonSchema:
    keys = [*(entry.name for entry in catalogue.operators.values() if entry.core), OPERATOR_KEY]
    present = ", ".join(f"has(self.{key})" for key in keys)
    return {
        "rule": f"[{present}].filter(x, x).size() == 1",
        "message": f"exactly one key says what the step does: {', '.join(keys)}",
    }


def _names(schema: JsonSchema) -> JsonSchema:
    names = schema["propertyNames"]
    return {
        "rule": f"self.all(name, name.matches({names['pattern']!r}))",
        "message": f"a name here is {names[HINTS]['noun']}",
        "reason": "FieldValueInvalid",
    }


_OF_FAN_OUTS = ("as", "indexAs", "maxParallel", "onItemFailure", "totalBudget")
_FAN_OUT: JsonSchema = {
    "rule": f"has(self.forEach) || !({' || '.join(f'has(self.{name})' for name in _OF_FAN_OUTS)})",
    "message": "these say something about `forEach`, which is not here: " + ", ".join(_OF_FAN_OUTS),
}


class _Structural:
    """Turns the compiler's schema into a structural one."""

    def __init__(self, definitions: Mapping[str, JsonSchema]) -> None:
        self._definitions = definitions

    def value(self, schema: JsonSchema, depth: int, *, holes: bool = False) -> JsonSchema:
        """The structural schema of a value; with `holes`, an expression may stand for it."""
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            referred = self._definitions[name]
            if name == "ValueSchema":
                depth += 1
                if depth > NESTING:
                    return {"type": "object", "description": _said(schema, referred), **_ANYTHING}
            schema = {**referred, **{key: part for key, part in schema.items() if key != "$ref"}}
        holes = holes and PLAIN not in schema.get(HINTS, {})
        kind = schema.get("type") or ("string" if _all_text(schema.get("enum")) else None)
        about = _about(schema, in_text=holes)
        if kind == "object" and "properties" in schema and not holes:
            return about | self.object(schema, depth)
        if kind is None or (holes and kind != "string"):
            return about | _ANYTHING
        if kind == "object":
            return about | self._mapping(schema, depth)
        if kind == "array":
            items = self.value(schema.get("items", {}), depth)
            return about | {"type": "array", "items": items} | _bounds(schema)
        return about | {"type": kind} | (_or_expression(schema) if holes else _bounds(schema))

    def object(self, schema: JsonSchema, depth: int) -> JsonSchema:
        """The structural schema of an object with fields of its own."""
        inside = bool(schema.get(HINTS, {}).get("holes"))
        fields = {name: self.value(field, depth, holes=inside) for name, field in schema.get("properties", {}).items()}
        required = {"required": list(schema["required"])} if schema.get("required") else {}
        return _about(schema, in_text=False) | {"type": "object", "properties": fields} | required

    def _mapping(self, schema: JsonSchema, depth: int) -> JsonSchema:
        values = schema.get("additionalProperties")
        if not isinstance(values, dict):
            return {"type": "object", **_ANYTHING}
        return {"type": "object", "additionalProperties": self.value(values, depth)}


def _or_expression(schema: JsonSchema) -> JsonSchema:
    """What keeps text to its form where an expression may stand for it."""
    form = f"^({'|'.join(schema['enum'])})$" if "enum" in schema else schema.get("pattern")
    return {"pattern": rf"(?:{form})|\$\{{\{{"} if form else {}


def _bounds(schema: JsonSchema) -> JsonSchema:
    found = {key: schema[key] for key in _BOUNDS if key in schema}
    return found | ({"enum": schema["enum"]} if "enum" in schema else {})


def _about(schema: JsonSchema, *, in_text: bool) -> JsonSchema:
    text = _said(schema)
    if in_text and "enum" in schema:
        text = f"{text}; one of {', '.join(str(one) for one in schema['enum'])}, or an expression"
    if isinstance(schema.get("default"), str | int) and schema["default"] != "":
        text = f"{text}; default {_plain(schema['default'])}"
    if schema.get("examples"):
        text = f"{text}, such as {_plain(schema['examples'][0])}"
    return {"description": text} if text else {}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _said(*schemas: JsonSchema) -> str:
    return next((str(schema["description"]) for schema in schemas if "description" in schema), "")


def _all_text(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
