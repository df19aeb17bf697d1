"""The typed value of `capsule:`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from somagent.capsule_compiler.catalogue import LONE, PLAIN, SECRETS, USED_INPUT, USES
from somagent.governance.documents import HINTS

_USE_PLAIN = "which capsule a step runs is settled before it runs: write a name under `uses.capsules`"


class CapsuleArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another capsule, run as a step."""

    use: Annotated[
        str,
        Meta(
            description="A capsule under `uses.capsules`",
            examples=["scan"],
            extra_json_schema={HINTS: {USES: "capsules", LONE: True, PLAIN: _USE_PLAIN}},
        ),
    ]
    with_: Annotated[
        dict[str, Any],
        Meta(
            description="The capsule's inputs, by name; those without a default must be there",
            extra_json_schema={HINTS: {USED_INPUT: "use", SECRETS: "use"}},
        ),
    ] = field(name="with", default_factory=dict)
