"""A persona: who a model answers as. A document of its own, beside a capsule or in a package."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.model.about import about
from somagent.capsule_compiler.model.capsule import Metadata
from somagent.capsule_compiler.model.texts import TokenCount

_TEXT = Meta(extra_json_schema={"type": "string"})


class _Part(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """What all parts have in common."""


class ModelLimits(_Part, frozen=True, kw_only=True):
    """What a model must be like to answer as the persona, and how it is asked."""

    families: Annotated[list[str], Meta(description="Families of models that will do; none = any")] = []
    min_context: Annotated[TokenCount, Meta(description="Least size of the model's context")] | UnsetType = UNSET
    max_output: Annotated[TokenCount, Meta(description="Most tokens of one answer")] | UnsetType = UNSET
    temperature: (
        Annotated[Annotated[float, Meta(ge=0, le=2)], Meta(description="How far answers vary, from 0 to 2")] | UnsetType
    ) = UNSET


class PersonaSpec(_Part, frozen=True, kw_only=True):
    """Who answers."""

    description: Annotated[str, Meta(description="One or two sentences for people")] = ""
    system: Annotated[str, Meta(min_length=1, description="What the model is told before everything else")]
    model: Annotated[ModelLimits, about("What the model must be like, and how it is asked")] = ModelLimits()


class Persona(_Part, frozen=True, kw_only=True):
    """A persona."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], _TEXT, about("Version of this form")]
    kind: Annotated[Literal["Persona"], _TEXT, about("What the document is")]
    metadata: Annotated[Metadata, about("Its name")]
    spec: Annotated[PersonaSpec, about("Who answers")]
