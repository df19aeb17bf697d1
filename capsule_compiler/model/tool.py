"""A tool: what it takes and gives. A document of its own, beside a capsule or in a package."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.model.about import about
from somagent.capsule_compiler.model.capsule import Metadata, Name
from somagent.capsule_compiler.model.values import ValueSchema

_TEXT = Meta(extra_json_schema={"type": "string"})


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What all parts have in common."""


class Function(_Part, frozen=True, kw_only=True):
    """One thing that a model can ask the tool to do."""

    description: Annotated[str, Meta(description="What it does, for models and people")]
    input: Annotated[dict[Name, ValueSchema], Meta(description="What it takes; without `default` it is required")] = {}
    output: Annotated[ValueSchema, Meta(description="What it gives")] | UnsetType = UNSET


class ToolSpec(_Part, frozen=True, kw_only=True):
    """What the tool takes and gives."""

    description: Annotated[str, Meta(description="One or two sentences for people")] = ""
    input: (
        Annotated[
            dict[Name, ValueSchema],
            Meta(description="What a `tool` step hands over in `with`; absent = anything, which nobody checks"),
        ]
        | UnsetType
    ) = UNSET
    functions: Annotated[dict[Name, Function], Meta(description="What models can ask for, by name")] = {}


class Tool(_Part, frozen=True, kw_only=True):
    """A tool."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _TEXT, about("Version of this form")]
    kind: Annotated[Literal["Tool"], _TEXT, about("What the document is")]
    metadata: Annotated[Metadata, about("Its name")]
    spec: Annotated[ToolSpec, about("What the tool takes and gives")]
