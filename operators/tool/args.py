"""The typed value of `tool:`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from somagent.capsule_compiler.catalogue import LONE, PLAIN, SECRETS, USED_INPUT, USES
from somagent.governance.documents import HINTS

_USE_PLAIN = "which tool a step uses is settled before it runs: write a name under `uses.tools`"


class ToolArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One use of a tool."""

    use: Annotated[
        str,
        Meta(
            description="A tool under `uses.tools`",
            examples=["repo"],
            extra_json_schema={HINTS: {USES: "tools", LONE: True, PLAIN: _USE_PLAIN}},
        ),
    ]
    with_: Annotated[
        dict[str, Any],
        Meta(
            description="What the tool takes, by name; held against the `input` of the tool if it has one",
            extra_json_schema={HINTS: {USED_INPUT: "use", SECRETS: "use"}},
        ),
    ] = field(name="with", default_factory=dict)
