"""The typed value of `bundle:`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from somagent.operators.runner.records import Artifact


class BundleArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Artifacts packed into one zip file."""

    name: Annotated[
        str, Meta(min_length=1, max_length=200, description="File name, letters that can be seen; `.zip` is added")
    ]
    include: Annotated[list[Artifact], Meta(min_length=1, description="Artifacts; each is found under its own name")]
