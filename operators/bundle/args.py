"""The typed value of `bundle:`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from somagent.capsule_compiler.catalogue import PLAIN
from somagent.governance.documents import HINTS
from somagent.operators.runner.records import Artifact

_NAME = r"^([^/\\]*$|.*\$\{\{)"  # what a hole gives is known when the step runs, and looked at then
_SIGN_PLAIN = "whether a bundle is signed is settled before the run: write `true` or leave it out"


class BundleArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Artifacts packed into one zip file."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="File name, letters that can be seen; `.zip` is added",
            extra_json_schema={"pattern": _NAME, HINTS: {"noun": "a file name, which has no `/` and no `\\`"}},
        ),
    ]
    include: Annotated[list[Artifact], Meta(min_length=1, description="Artifacts; each is found under its own name")]
    sign: Annotated[
        bool,
        Meta(
            description="Sign the manifest (checked and planned; a run of this version refuses it)",
            extra_json_schema={HINTS: {PLAIN: _SIGN_PLAIN}},
        ),
    ] = False
