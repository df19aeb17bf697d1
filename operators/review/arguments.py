"""The value of `review:`, and what the step gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from somagent.capsule_compiler.catalogue import EXPRESSIONS, LONE, UNASKED
from somagent.capsule_compiler.model.texts import Duration
from somagent.governance.documents import HINTS

_Who = Annotated[str, Meta(min_length=1)]


class Reviewers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Who may decide, and how many must agree."""

    users: Annotated[
        list[_Who], Meta(description="Names; empty = anyone", extra_json_schema={HINTS: {LONE: True}})
    ] = []
    groups: Annotated[
        list[_Who], Meta(description="Members may decide as well", extra_json_schema={HINTS: {LONE: True}})
    ] = []
    count: Annotated[int, Meta(ge=1, le=50, description="Approvals needed, each by another person")] = 1
    not_submitter: Annotated[bool, Meta(description="Whoever started the run may not decide")] = False


class ReviewArguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What people are asked, and what happens when they do not answer."""

    title: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="The question, in one line",
            extra_json_schema={HINTS: {LONE: True}},
        ),
    ]
    reviewers: Annotated[Reviewers, Meta(description="Without it, one approval by anyone")] = Reviewers()
    show: Annotated[
        list[Any],
        Meta(
            description="Values put before the reviewers; text is an expression, with or without `${{ }}`",
            examples=[["steps.test.report", "run.id"]],
            extra_json_schema={HINTS: {EXPRESSIONS: True}},
        ),
    ] = []
    due: (
        Annotated[Duration, Meta(description="How long the step waits from when it first asks; default: for ever")]
        | UnsetType
    ) = UNSET
    on_timeout: Annotated[
        Literal["reject", "approve"],
        Meta(
            description="What holds when `due` has passed",
            extra_json_schema={"type": "string", HINTS: {UNASKED: "reject"}},
        ),
    ] = "reject"
    verdict: (
        Annotated[
            str,
            Meta(
                description="A policy step's verdict: `allow` and `audit` open the gate without asking anyone,"
                " `require_review` asks, `deny` fails",
                extra_json_schema={"enum": ["allow", "audit", "require_review", "deny"], HINTS: {UNASKED: True}},
            ),
        ]
        | UnsetType
    ) = UNSET


OUTPUTS: dict[str, Any] = {
    "decision": {
        "type": "string",
        "enum": ["approve", "allow"],
        "description": "`allow`: nobody had to be asked; a rejected step fails instead",
    },
    "by": {"type": "array", "items": {"type": "string"}, "description": "Who approved, in the order of time"},
    "comment": {"type": "string", "description": "What they wrote, one line each"},
}
