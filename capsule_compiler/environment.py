"""What expressions may name and of which type it is: schemas seen as types.

The compiler types every expression with this, and the step runner converts JSON values by the same types, so that a
value is never of another type at run time than the compiler said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from somagent.governance.cel import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Field,
    ListType,
    MapType,
    ObjectType,
    OpaqueType,
    Type,
)

JsonSchema = Mapping[str, Any]
ARTIFACT = OpaqueType("artifact")
RESERVED_NAMES = frozenset({"inputs", "steps", "run"})

_SIMPLE: dict[str, Type] = {
    "string": STRING,
    "integer": INT,
    "number": DOUBLE,
    "boolean": BOOL,
    "null": NULL,
    "artifact": ARTIFACT,
}
_REF = "#/types/"


def type_of_schema(schema: JsonSchema, types: Mapping[str, JsonSchema], title: str = "") -> Type:
    """The type of the values that a schema allows; what a schema leaves open is `dyn`.

    `types` are the named schemas that `$ref` may point to. A type that contains itself is `dyn` at the inner place.
    """
    return _type(schema, types, title, frozenset())


def _type(schema: JsonSchema, types: Mapping[str, JsonSchema], title: str, open_refs: frozenset[str]) -> Type:
    reference = schema.get("$ref")
    if reference is not None:
        name = str(reference).removeprefix(_REF)
        if name in open_refs or name not in types:
            return DYN
        return _type(types[name], types, f"type `{name}`", open_refs | {name})
    kind = schema.get("type")
    if kind == "array":
        return ListType(_type(schema.get("items", {}), types, f"an item of {title}" if title else "", open_refs))
    if kind == "object":
        return _object(schema, types, title, open_refs)
    return _SIMPLE.get(str(kind), DYN)


def _object(schema: JsonSchema, types: Mapping[str, JsonSchema], title: str, open_refs: frozenset[str]) -> Type:
    properties = schema.get("properties")
    if not properties:
        return MapType(STRING, DYN)
    required = schema.get("required", ())
    fields = {
        name: Field(_type(part, types, f"`{name}`", open_refs), name in required, part.get("description", ""))
        for name, part in properties.items()
    }
    return ObjectType(fields, title or "this object", "field", "unknown-member")


def outputs_type(step: str, outputs: Mapping[str, JsonSchema], types: Mapping[str, JsonSchema]) -> ObjectType:
    """What `steps.STEP` is: its outputs by name."""
    fields = {
        name: Field(type_of_schema(schema, types, f"`{name}`"), required=True, doc=schema.get("description", ""))
        for name, schema in outputs.items()
    }
    return ObjectType(fields, f"step `{step}`", "output", "unknown-output")


def inputs_type(inputs: Mapping[str, JsonSchema], types: Mapping[str, JsonSchema]) -> ObjectType:
    """What `inputs` is."""
    fields = {
        name: Field(type_of_schema(schema, types, f"`{name}`"), required=True, doc=schema.get("description", ""))
        for name, schema in inputs.items()
    }
    return ObjectType(fields, "the capsule", "input", "unknown-input")


def steps_type(steps: Mapping[str, Type]) -> ObjectType:
    """What `steps` is."""
    return ObjectType({name: Field(type_) for name, type_ in steps.items()}, "the capsule", "step", "unknown-step")


def run_type(*, final: bool) -> ObjectType:
    """What `run` is; `phase` is known in `finally` steps only."""
    fields = {
        "id": Field(STRING, doc="Id of the run"),
        "submitter": Field(STRING, doc="Who started the run"),
    }
    if final:
        fields["phase"] = Field(STRING, doc="Succeeded, Failed or Cancelled")
    return ObjectType(fields, "the run", "field", "unknown-run-field")


def schema_of_type(type_: Type) -> dict[str, Any]:
    """A schema that allows the values of a type; the way back from `type_of_schema`, as far as types tell."""
    match type_:
        case ListType(item):
            return {"type": "array", "items": schema_of_type(item)}
        case MapType():
            return {"type": "object"}
        case ObjectType(fields):
            return {
                "type": "object",
                "properties": {name: schema_of_type(member.type) for name, member in fields.items()},
                "required": [name for name, member in fields.items() if member.required],
            }
        case _:
            names = {simple: name for name, simple in _SIMPLE.items()}
            return {"type": names[type_]} if type_ in names else {}
