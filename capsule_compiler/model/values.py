"""The schema of a value: the subset of JSON Schema (2020-12) that inputs, outputs and types are written in.

What is not here is refused when a capsule is read, not ignored when it runs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Type = Literal["string", "integer", "number", "boolean", "object", "array", "artifact", "secret"]

TypeRef = Annotated[
    str,
    Meta(
        description="A schema under `spec.types`",
        pattern="^#/types/[A-Za-z][A-Za-z0-9_]*$",
        extra_json_schema={"x-somagent": {"noun": "a reference like `#/types/Finding`"}},
    ),
]
NotNegative = Annotated[int, Meta(ge=0)]


Grantee = Annotated[str, Meta(description="A tool, a capsule or a script step", pattern="^[a-z][A-Za-z0-9_]{0,62}$")]


class ValueSchema(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What values are allowed."""

    type: Annotated[
        Type | UnsetType,
        Meta(description="Kind of value; `artifact`: a file or folder; `secret`: a secret's name", examples=["string"]),
    ] = UNSET
    ref: TypeRef | UnsetType = field(name="$ref", default=UNSET)
    description: Annotated[str | UnsetType, Meta(description="For people")] = UNSET
    default: Annotated[Any, Meta(description="Used when an input is not given")] = UNSET
    enum: Annotated[
        Annotated[list[Any], Meta(min_length=1)] | UnsetType, Meta(description="The only values allowed")
    ] = UNSET
    minimum: Annotated[float | UnsetType, Meta(description="Least number allowed")] = UNSET
    maximum: Annotated[float | UnsetType, Meta(description="Greatest number allowed")] = UNSET
    min_length: Annotated[NotNegative | UnsetType, Meta(description="Fewest characters")] = UNSET
    max_length: Annotated[NotNegative | UnsetType, Meta(description="Most characters")] = UNSET
    pattern: Annotated[str | UnsetType, Meta(description="Regular expression that text must contain")] = UNSET
    format: Annotated[
        Literal["path"] | UnsetType,
        Meta(description="Of a string input: a path where the run is started; a relative one is made absolute there"),
    ] = UNSET
    items: Annotated[ValueSchema | UnsetType, Meta(description="Schema of a list's items")] = UNSET
    min_items: Annotated[NotNegative | UnsetType, Meta(description="Fewest items")] = UNSET
    max_items: Annotated[NotNegative | UnsetType, Meta(description="Most items; bounds a fan-out")] = UNSET
    properties: Annotated[dict[str, ValueSchema] | UnsetType, Meta(description="Schema of an object's fields")] = UNSET
    required: Annotated[list[str] | UnsetType, Meta(description="Fields that must be there")] = UNSET
    additional_properties: Annotated[
        bool | UnsetType, Meta(description="Whether an object may have fields that are not named; default true")
    ] = UNSET
    grant_to: Annotated[
        Annotated[list[Grantee], Meta(min_length=1)] | UnsetType,
        Meta(description="Of a secret input: who may get it; tools and capsules under `uses`, and script steps"),
    ] = UNSET
    path: Annotated[
        str | UnsetType,
        Meta(
            description="Of an artifact output: file or folder in the step's working folder", examples=["report.html"]
        ),
    ] = UNSET
