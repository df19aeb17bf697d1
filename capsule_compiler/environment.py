"""What expressions may name and of which type it is: schemas seen as types.

The compiler types every expression with this, and the step runner converts JSON values by the same types, so that a
value is never of another type at run time than the compiler said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from somagent.capsule_compiler.value_types import SECRET, JsonSchema, ValueTypes
from somagent.governance.cel import STRING, Field, ObjectType, Type

RESERVED_NAMES = frozenset({"inputs", "steps", "run", "secrets"})


def type_of_schema(schema: JsonSchema, types: Mapping[str, JsonSchema], title: str = "") -> Type:
    """The type of the values that a schema allows; what a schema leaves open is `dyn`.

    `types` are the named schemas that `$ref` may point to.
    """
    return ValueTypes(types).type_of(schema, title)


def outputs_type(step: str, outputs: Mapping[str, JsonSchema], types: ValueTypes) -> ObjectType:
    """What `steps.STEP` is: its outputs by name."""
    fields = {
        name: Field(types.type_of(schema, f"`{name}`"), required=True, doc=schema.get("description", ""))
        for name, schema in outputs.items()
    }
    return ObjectType(fields, f"step `{step}`", "output", "unknown-output")


def inputs_type(inputs: Mapping[str, JsonSchema], types: ValueTypes) -> ObjectType:
    """What `inputs` is."""
    fields = {
        name: Field(types.type_of(schema, f"`{name}`"), required=True, doc=schema.get("description", ""))
        for name, schema in inputs.items()
    }
    return ObjectType(fields, "the capsule", "input", "unknown-input")


def steps_type(steps: Mapping[str, Type]) -> ObjectType:
    """What `steps` is."""
    return ObjectType({name: Field(type_) for name, type_ in steps.items()}, "the capsule", "step", "unknown-step")


def secrets_type(names: Iterable[str]) -> ObjectType:
    """What `secrets` is: the names of secrets, which can be handed on and nothing else."""
    return ObjectType({name: Field(SECRET) for name in names}, "the capsule", "secret", "unknown-secret")


def run_type(*, final: bool) -> ObjectType:
    """What `run` is; `phase` is known in `finally` steps only."""
    fields = {
        "id": Field(STRING, doc="Id of the run"),
        "submitter": Field(STRING, doc="Who started the run"),
    }
    if final:
        fields["phase"] = Field(STRING, doc="Succeeded, Failed or Cancelled")
    return ObjectType(fields, "the run", "field", "unknown-run-field")
