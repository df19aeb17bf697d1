"""What is written down about a run: small frozen records that travel as JSON."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from somagent.capsule_compiler.plan import Amounts
from somagent.governance.verdict import Verdict
from somagent.operators.submitter import Submitter

# A run or a step that has ended is in one of ENDED. `Omitted`: never started, because a step that it needs failed,
# was cancelled or is a gate that stayed closed.
Phase = Literal["Pending", "Running", "Waiting", "Succeeded", "Failed", "Skipped", "Omitted", "Cancelled"]
ENDED: frozenset[Phase] = frozenset({"Succeeded", "Failed", "Skipped", "Omitted", "Cancelled"})

# `cut_off`: the process that ran the attempt died. `denied` is never retried. `omitted`: never tried, see `Phase`.
FailureClass = Literal[
    "transient",
    "rate_limit",
    "timeout",
    "invalid_output",
    "error",
    "denied",
    "budget",
    "resources",
    "cancelled",
    "cut_off",
    "omitted",
]

NO_ITEM = -1


class StepKey(NamedTuple):
    """Names a step of a run, or one item of a fan-out step (from 0); the same on every engine."""

    run: str
    step: str
    item: int = NO_ITEM

    def __str__(self) -> str:
        """The idempotency key that operators hand to outside systems."""
        return f"{self.run}/{self.step}" if self.item == NO_ITEM else f"{self.run}/{self.step}/{self.item}"


class _Record(Struct, frozen=True, omit_defaults=True):
    """What all records have in common."""


class Artifact(_Record, frozen=True, kw_only=True):
    """A file or folder in the content store.

    What makes a value an artifact is that an output was declared as one: only then does its JSON become this class
    again (`artifacts`). Any other JSON of this form is an object like any other.
    """

    artifact: Annotated[str, Meta(description="Content digest: of the bytes, or of the tree's manifest")]
    kind: Literal["file", "folder"]
    name: Annotated[str, Meta(description="File name that a reader will find")]
    size: Annotated[int, Meta(description="Bytes; of a folder, the sum of its files")]
    executable: Annotated[bool, Meta(description="A file that can be run; files in a folder keep their own mark")] = (
        False
    )


class Secret(_Record, frozen=True, kw_only=True):
    """The name of a secret value: which key of which secret. The value itself is never part of a record."""

    secret: str
    key: str


def artifact_of(value: Any) -> Artifact | None:
    """The artifact that this JSON describes if it is one, which only a declared schema can tell: see `artifacts`."""
    if not isinstance(value, dict) or "artifact" not in value or not value.keys() <= _ARTIFACT_MEMBERS:
        return None
    try:
        artifact = msgspec.convert(value, Artifact)
    except msgspec.ValidationError:
        return None
    return artifact if _DIGEST.fullmatch(artifact.artifact) else None


_ARTIFACT_MEMBERS = frozenset(Artifact.__struct_fields__)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")


class Failure(_Record, frozen=True, kw_only=True):
    """Why an attempt or a step failed, in words for people."""

    failure_class: FailureClass
    message: str
    child: Annotated[str, Meta(description="Run of the step's capsule that failed")] = ""


class Waiting(_Record, frozen=True, kw_only=True):
    """What people are asked."""

    title: str
    users: Annotated[list[str], Meta(description="May decide; anyone may when `groups` is empty too")] = []
    groups: Annotated[list[str], Meta(description="Their members may decide as well as `users`")] = []
    count: Annotated[int, Meta(ge=1, description="Approvals needed")] = 1
    not_submitter: bool = False
    show: Annotated[list[Any], Meta(description="Values put before the reviewers")] = []
    due: datetime | None = None
    on_timeout: Literal["reject", "approve"] = "reject"
    outputs: Annotated[dict[str, Any], Meta(description="JSON Schema of each value that approvals must give")] = {}
    types: Annotated[dict[str, Any], Meta(description="What these refer to by `#/types/NAME`")] = {}
    constitution: Annotated[bool, Meta(description="The constitution asks, not the step itself")] = False
    budgets: Annotated[list[str], Meta(description="Budgets that ask, not the step itself")] = []
    child: Annotated[str, Meta(description="Run of the step's capsule in which people are asked")] = ""


class Decision(_Record, frozen=True, kw_only=True):
    """One person's answer to one question (see `deciding.question_of`) of a step that waits."""

    step: str
    item: int = NO_ITEM
    question: Annotated[
        str, Meta(description="The question's digest; when it is not given, it is set to the one asked at the time")
    ] = ""
    by: Annotated[str, Meta(description="The name given")]
    groups: Annotated[list[str], Meta(description="The groups that this person is in, by token or groups file")] = []
    account: Annotated[str, Meta(description="Operating system account that wrote it down")] = ""
    verified: Annotated[bool, Meta(description="An identity provider vouches for the name")] = False
    issuer: Annotated[str, Meta(description="That provider")] = ""
    aliases: Annotated[list[str], Meta(description="What else the token calls the person")] = []
    token: Annotated[str, Meta(description="The id (`jti`) of the token that was shown, if it has one")] = ""
    approve: bool
    outputs: Annotated[dict[str, Any], Meta(description="What it gives, of what was asked for")] = {}
    comment: str = ""
    at: datetime


class Attempt(_Record, frozen=True, kw_only=True):
    """One try at a step."""

    key: StepKey
    number: Annotated[int, Meta(ge=1)]
    failed_before: Annotated[int, Meta(description="Earlier attempts that failed; those cut off do not count")] = 0
    started_at: datetime
    ended_at: datetime | None = None
    phase: Phase = "Running"
    failure: Failure | None = None
    verdict: Verdict | None = None
    waiting: Annotated[Waiting | None, Meta(description="What it asked people, when it parked")] = None
    asked: Annotated[Waiting | None, Meta(description="What the last attempt that parked asked")] = None
    spent: Amounts = Amounts()
    spent_before: Annotated[Amounts, Meta(description="What the earlier attempts spent")] = Amounts()
    warnings: Annotated[list[str], Meta(description="Budgets that it went beyond, each in words")] = []
    retry_at: Annotated[datetime | None, Meta(description="When the next attempt may start")] = None


class StepResult(_Record, frozen=True, kw_only=True):
    """How a step, or an item of one, ended. Written once and never changed."""

    key: StepKey
    phase: Phase
    attempts: int = 0
    started_at: datetime | None = None
    ended_at: datetime
    outputs: Annotated[dict[str, Any], Meta(description="Values; one above 64 KiB is `{'$content': DIGEST}`")] = {}
    failure: Failure | None = None
    verdict: Verdict | None = None
    spent: Annotated[Amounts, Meta(description="By all attempts; of a fan-out step, by all items")] = Amounts()
    given_up: Annotated[bool, Meta(description="It was stopped with the run, before it ended by itself")] = False
    input_digest: Annotated[str, Meta(description="sha256 of the canonical arguments")] = ""
    output_digest: Annotated[str, Meta(description="sha256 of the canonical outputs")] = ""
    items: Annotated[int | None, Meta(description="For a fan-out step: how many items its list had")] = None


class Parent(_Record, frozen=True, kw_only=True):
    """The step, or the item of one, whose capsule a run is."""

    run: str
    step: str
    item: int = NO_ITEM


class RunRecord(_Record, frozen=True, kw_only=True):
    """A run, as it was asked for."""

    id: str
    capsule: str
    plan_digest: str
    submitter: str
    submitter_labels: Annotated[
        list[str], Meta(description="Of one submitted with Argo's own tools: what its labels say of the person")
    ] = []
    inputs: Annotated[dict[str, Any], Meta(description="Validated, defaults filled in")]
    created_at: datetime
    retry_of: Annotated[str, Meta(description="The run whose results it took over, if it did")] = ""
    source: Annotated[str, Meta(description="Path of the capsule where it was started, if it came from a file")] = ""
    parent: Annotated[Parent | None, Meta(description="What it is a part of, if it is")] = None

    @property
    def started_by(self) -> Submitter:
        """The person who may not decide where `notSubmitter` says so."""
        return Submitter(self.submitter, tuple(self.submitter_labels))
