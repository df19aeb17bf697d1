"""The value of `policy:`, and what the step gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.catalogue import LONE, PLAIN, POLICY_INPUT, POLICY_SET, REVIEWED_BY
from somagent.governance.documents import HINTS

_SET_PLAIN = "which rules govern a step is settled before it runs: write the name of a set under `uses.policies`"


class PolicyArguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which rules are asked, and about what."""

    set: (
        Annotated[
            str,
            Meta(
                description="A policy set under `uses.policies`; without it, the constitution that governs the capsule",
                extra_json_schema={HINTS: {LONE: True, POLICY_SET: True, PLAIN: _SET_PLAIN}},
            ),
        ]
        | UnsetType
    ) = UNSET
    input: Annotated[
        dict[str, Any],
        Meta(
            description="The attributes that the rules read, by name; all that the set declares without a default",
            extra_json_schema={HINTS: {POLICY_INPUT: "set"}},
        ),
    ] = {}
    on_review: Annotated[
        Literal["wait", "pass"],
        Meta(
            description="When the verdict is `require_review`: `wait` asks people in this step; `pass` leaves it to a"
            " `review` step that reads the verdict",
            extra_json_schema={"type": "string", HINTS: {REVIEWED_BY: "verdict"}},
        ),
    ] = "wait"


OUTPUTS: dict[str, Any] = {
    "verdict": {
        "type": "string",
        "enum": ["allow", "audit", "require_review"],
        "description": "What the rules say; a denied step fails instead",
    },
    "rules": {
        "type": "array",
        "items": {"type": "string"},
        "description": "The rules that made the verdict, in the order of the set",
    },
    "because": {"type": "array", "items": {"type": "string"}, "description": "Their reasons"},
}
