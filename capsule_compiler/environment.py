"""What expressions may name and of which type it is: schemas seen as types.

The compiler types every expression with this, and the step runner converts JSON values by the same types, so that a
value is never of another type at run time than the compiler said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from somagent.capsule_compiler.value_types import SECRET, JsonSchema, ValueTypes
from somagent.governance.cel import INT, STRING, Field, ListType, ObjectType, SimpleType, Type

RESERVED_NAMES = frozenset({"inputs", "steps", "run", "secrets"})


def type_of_schema(schema: JsonSchema, types: Mapping[str, JsonSchema], title: str = "") -> Type:
    """The type of the values that a schema allows; what a schema leaves open is `dyn`.

    `types` are the named schemas that `$ref` may point to.
    """
    return ValueTypes(types).type_of(schema, title)


def outputs_type(
    step: str, outputs: Mapping[str, JsonSchema], types: ValueTypes, *, collected: bool = False
) -> ObjectType:
    """What `steps.STEP` is, or an item of it: its outputs by name, and how it went.

    Of a fan-out that collects failures, an item has either its outputs or its `error`.
    """
    fields = {
        name: Field(types.type_of(schema, f"`{name}`"), required=not collected, doc=schema.get("description", ""))
        for name, schema in outputs.items()
    }
    fields |= _HOW_IT_WENT
    if collected:
        fields |= {"status": Field(_one_of(*WAYS_TO_END), doc=_STATUS), "error": _ERROR}
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


def with_statuses(steps: Type, statuses: Iterable[str]) -> Type:
    """What `steps` is to whoever looks at it later than its steps do, when they may have ended in other ways."""
    if not isinstance(steps, ObjectType):
        return steps
    status = Field(_one_of(*statuses), doc=_STATUS)
    return steps_type({name: _with_status(one.type, status) for name, one in steps.fields.items()})


def _with_status(step: Type, status: Field) -> Type:
    match step:
        case ObjectType(fields, title, member, fault):
            return ObjectType({**fields, "status": status}, title, member, fault)
        case ListType(item):
            return ListType(_with_status(item, status))
        case _:
            return step


def _one_of(*values: str) -> Type:
    return SimpleType(STRING.name, values)


_SPEND = ObjectType(
    {
        "tokens": Field(INT, doc="Tokens of models"),
        "costMicros": Field(INT, doc="Millionths of the budget's currency"),
    },
    "the spending",
)
WAYS_TO_END = ("Succeeded", "Failed", "Skipped", "Omitted", "Cancelled")
FAILURE_CLASSES = (
    *("transient", "rate_limit", "timeout", "invalid_output", "error", "denied", "budget"),
    *("resources", "cancelled", "cut_off", "omitted"),
)
_BEFORE_THE_END = ("Succeeded", "Skipped")
_STATUS = "Succeeded or Skipped; in `finally` also Failed, Omitted or Cancelled"
_HOW_IT_WENT = {
    "status": Field(_one_of(*_BEFORE_THE_END), doc=_STATUS),
    "attempts": Field(INT, doc="Attempts made"),
    "spend": Field(_SPEND, doc="What its attempts spent"),
}
_ERROR = Field(
    ObjectType(
        {
            "class": Field(_one_of(*FAILURE_CLASSES), doc="Class of the failure, such as `timeout`"),
            "message": Field(STRING, doc="What happened, for people"),
            "attempts": Field(INT, doc="Attempts made"),
        },
        "the error",
    ),
    required=False,
    doc="Why the item failed",
)
ERROR_MEMBER = "error"
MEMBERS_OF_STEPS = frozenset({*_HOW_IT_WENT, ERROR_MEMBER})
ALWAYS_THERE = frozenset(_HOW_IT_WENT)
"""What expressions find beside the outputs of a step, so that no output can have these names."""


def run_type(*, final: bool) -> ObjectType:
    """What `run` is; `phase` is known in `finally` steps only."""
    fields = {
        "id": Field(STRING, doc="Id of the run"),
        "submitter": Field(STRING, doc="Who started the run"),
        "startedAt": Field(STRING, doc="When it was started, in UTC, such as 2026-11-02T09:00:00Z"),
        "spend": Field(_SPEND, doc="What had been spent when the step was reached"),
    }
    if final:
        fields["phase"] = Field(_one_of("Succeeded", "Failed", "Cancelled"), doc="Succeeded, Failed or Cancelled")
    return ObjectType(fields, "the run", "field", "unknown-run-field")
