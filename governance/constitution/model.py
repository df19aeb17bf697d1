"""The form of a constitution file; its JSON Schema is generated from these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from somagent.governance.documents import HINTS
from somagent.governance.verdict import Effect

API_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VERSION = "somagent.io/v1alpha1"
KIND = "Constitution"

Scope = Literal["input", "step"]
AttributeType = Literal["string", "integer", "number", "boolean", "array", "object"]

_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VERSION = r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$"


def _text(noun: str = "", **schema: Any) -> Meta:
    """A text of a named form; `Literal` alone would leave the type out of the schema."""
    return Meta(extra_json_schema={"type": "string", **schema, **({HINTS: {"noun": noun}} if noun else {})})


Name = Annotated[str, Meta(max_length=63, pattern=_NAME), _text("a name of small letters, digits and hyphens")]
AttributeName = Annotated[str, Meta(max_length=63, pattern=_IDENTIFIER), _text("a name like `open_findings`")]
Consequence = Annotated[Effect, _text()]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What all parts have in common: immutable and closed."""


class Attribute(_Part, frozen=True, kw_only=True):
    """One value that a policy step hands over: a closed subset of JSON Schema."""

    type: Annotated[AttributeType, _text()]
    description: str = ""
    enum: Annotated[list[Any], Meta(min_length=1, description="The only values")] | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: Annotated[int, Meta(ge=0, description="Code points of a string")] | None = None
    max_length: Annotated[int, Meta(ge=0, description="Code points of a string")] | None = None
    min_items: Annotated[int, Meta(ge=0)] | None = None
    max_items: Annotated[int, Meta(ge=0)] | None = None
    items: Annotated[Attribute | None, Meta(description="What each item of an array is")] = None
    properties: Annotated[
        dict[AttributeName, Attribute] | None, Meta(description="The members of an object; no others")
    ] = None
    required: Annotated[list[str] | None, Meta(description="Members that must be there")] = None
    default: Annotated[Any, Meta(description="Taken when a policy step leaves the attribute out")] = None


class Principle(_Part, frozen=True, kw_only=True):
    """What is wanted, in prose."""

    id: Name
    text: Annotated[str, Meta(min_length=1)]


class Rule(_Part, frozen=True, kw_only=True):
    """A condition and what follows from it."""

    id: Name
    scope: Annotated[
        Scope, _text(), Meta(description="`input`: asked by policy steps; `step`: asked before every step")
    ] = "input"
    effect: Consequence
    when: Annotated[str, Meta(min_length=1, description="CEL, true or false")]
    because: Annotated[str, Meta(min_length=1, description="The reason, for people who meet the rule")]
    principle: Annotated[Name | None, Meta(description="The principle that it serves")] = None


class Metadata(_Part, frozen=True, kw_only=True):
    """Which constitution this is."""

    name: Name


class Spec(_Part, frozen=True, kw_only=True):
    """Principles, attributes and rules."""

    version: Annotated[str, Meta(pattern=_VERSION), _text("a version like 1.0.0")]
    principles: list[Principle] = []
    input: Annotated[
        dict[AttributeName, Attribute], Meta(description="All that a policy step may and must hand over")
    ] = {}
    otherwise: Annotated[Consequence, Meta(description="For an input that no rule matches")] = "deny"
    steps: Annotated[Consequence, Meta(description="For a step that no rule matches")] = "deny"
    rules: list[Rule] = []


class ConstitutionFile(_Part, frozen=True, kw_only=True):
    """A constitution."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _text()]
    kind: Annotated[Literal["Constitution"], _text()]
    metadata: Metadata
    spec: Spec
