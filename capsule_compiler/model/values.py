"""The schema of a value: the subset of JSON Schema (2020-12) that inputs, outputs and types are written in.

What is not here is refused when a capsule is read, not ignored when it runs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from somagent.capsule_compiler.model.about import LONE_FIELD, about, name_form
from somagent.governance.documents import HINTS

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
Bound = Annotated[float, Meta(ge=-(2**53) + 1, le=2**53 - 1)]  # what every reader of JSON keeps exactly


Grantee = Annotated[
    str,
    name_form("^[a-z][A-Za-z0-9_]{0,62}$", "a name like `repo`", "A tool, a capsule or a script step"),
    Meta(extra_json_schema={HINTS: {"exact": True}}),  # who gets a secret is not guessed
]


_TYPE = about("Kind of value; `artifact`: a file or folder; `secret`: a secret's name", "string")
_TYPE_PLAIN = Meta(
    extra_json_schema={
        HINTS: {
            "plain": "here is said what a value is, such as `{ type: string }`; a script writes its outputs to"
            " $SOMAGENT_OUTPUT"
        }
    }
)
_REQUIRED = Meta(
    extra_json_schema={
        HINTS: {
            "instead": "leave it out: an input without a `default` must be given, and one with a `default` need not"
            " be; `required: [name]` names the fields that an object must have"
        }
    }
)
_FORMAT = about("Of a string input: a path where the run is started; a relative one is made absolute there", "path")
_PROPERTIES = about("Schema of an object's fields", {"name": {"type": "string"}})
_ADDITIONAL = about("Whether an object may have fields that are not named", default=True)
_GRANT_TO = about("Of a secret input: who may get it; tools and capsules under `uses`, and script steps", ["upload"])
_PATH = about("Of an artifact output: file or folder in the step's working folder", "report.html")


class ValueSchema(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What values are allowed."""

    type: Annotated[Type, _TYPE, LONE_FIELD, _TYPE_PLAIN] | UnsetType = UNSET
    ref: Annotated[TypeRef, about("A schema under `spec.types`", "#/types/Finding")] | UnsetType = field(
        name="$ref", default=UNSET
    )
    description: Annotated[str, about("For people", "Folder to examine")] | UnsetType = UNSET
    default: Annotated[Any, about("Used when an input is not given", "main")] = UNSET
    enum: Annotated[list[Any], Meta(min_length=1), about("The only values allowed", ["fast", "exact"])] | UnsetType = (
        UNSET
    )
    minimum: Annotated[Bound, about("Least number allowed", 0)] | UnsetType = UNSET
    maximum: Annotated[Bound, about("Greatest number allowed", 10)] | UnsetType = UNSET
    min_length: Annotated[NotNegative, about("Fewest characters", 1)] | UnsetType = UNSET
    max_length: Annotated[NotNegative, about("Most characters", 200)] | UnsetType = UNSET
    pattern: Annotated[str, about("Regular expression (RE2) that text must contain", "^[0-9a-f]{40}$")] | UnsetType = (
        UNSET
    )
    format: Annotated[Literal["path"], _FORMAT] | UnsetType = UNSET
    items: Annotated[ValueSchema, about("Schema of a list's items", {"type": "string"})] | UnsetType = UNSET
    min_items: Annotated[NotNegative, about("Fewest items", 1)] | UnsetType = UNSET
    max_items: Annotated[NotNegative, about("Most items; bounds a fan-out", 8)] | UnsetType = UNSET
    properties: Annotated[dict[str, ValueSchema], _PROPERTIES] | UnsetType = UNSET
    required: Annotated[list[str], about("Fields that must be there", ["name"]), _REQUIRED] | UnsetType = UNSET
    additional_properties: Annotated[bool, _ADDITIONAL] | UnsetType = UNSET
    grant_to: Annotated[list[Grantee], Meta(min_length=1), _GRANT_TO] | UnsetType = UNSET
    path: Annotated[str, _PATH] | UnsetType = UNSET
