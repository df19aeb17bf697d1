"""The typed value of `slm:`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from somagent.capsule_compiler.catalogue import PLAIN, USES
from somagent.governance.documents import HINTS

_PERSONA_PLAIN = "who answers is settled before the run: write a name under `uses.personas`"
_TOOL_PLAIN = "which tools a model may use is settled before the run: write names under `uses.tools`"


class SlmArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question to a model."""

    persona: Annotated[
        str,
        Meta(
            description="Who answers: a persona under `uses.personas`",
            examples=["architect"],
            extra_json_schema={HINTS: {USES: "personas", PLAIN: _PERSONA_PLAIN}},
        ),
    ]
    prompt: Annotated[str, Meta(min_length=1, description="What is asked; `${{ }}` is rendered into it")]
    tools: Annotated[
        list[Annotated[str, Meta(extra_json_schema={HINTS: {PLAIN: _TOOL_PLAIN}})]],
        Meta(
            description="Tools under `uses.tools` that the model may use",
            extra_json_schema={HINTS: {USES: "tools", PLAIN: _TOOL_PLAIN}},
        ),
    ] = []
