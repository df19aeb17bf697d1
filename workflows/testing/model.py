"""A file of tests as its author writes it; the JSON Schema that editors use is generated from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from somagent.capsule_compiler.model.capsule import Metadata
from somagent.capsule_compiler.model.texts import Cost, Duration, TokenCount
from somagent.governance.documents import HINTS

CaseName = Annotated[str, Meta(min_length=1, max_length=120, description="What the case is about, in a few words")]
FailureClass = Literal["transient", "rate_limit", "timeout", "invalid_output", "error", "denied", "budget", "resources"]
Phase = Literal["Waiting", "Succeeded", "Failed", "Cancelled"]
StepPhase = Literal["Pending", "Waiting", "Succeeded", "Failed", "Skipped", "Omitted", "Cancelled"]
Effect = Literal["allow", "audit", "require_review", "deny"]


class _Part(
    Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """What all parts of a file of tests have in common."""


class FailureAnswer(_Part, frozen=True, kw_only=True):
    """A failure that a step answers with."""

    failure_class: Annotated[FailureClass, Meta(description="Decides whether another attempt follows")] = field(
        name="class"
    )
    message: Annotated[str, Meta(description="What the failure says")] = "declared by the test"


class Spent(_Part, frozen=True, kw_only=True):
    """What an answered attempt has spent: `spend` in expressions says it, and budgets count it."""

    tokens: Annotated[TokenCount, Meta(description="Tokens")] | UnsetType = UNSET
    cost: Annotated[Cost, Meta(description="Money")] | UnsetType = UNSET


class AttemptAnswer(_Part, frozen=True, kw_only=True):
    """How one attempt ends: with outputs, or with a failure."""

    outputs: (
        Annotated[
            dict[str, Any],
            Meta(description="Every output; of an artifact `{text: ...}`, `{files: {NAME: TEXT}}` or `{path: ...}`"),
        ]
        | UnsetType
    ) = UNSET
    failure: FailureAnswer | UnsetType = UNSET
    spent: Spent | UnsetType = UNSET


class ItemAnswer(_Part, frozen=True, kw_only=True):
    """How one item of a fan-out step ends."""

    outputs: Annotated[dict[str, Any], Meta(description="Every output of the item")] | UnsetType = UNSET
    failure: FailureAnswer | UnsetType = UNSET
    spent: Spent | UnsetType = UNSET
    attempts: (
        Annotated[Annotated[list[AttemptAnswer], Meta(min_length=1)], Meta(description="One for each attempt")]
        | UnsetType
    ) = UNSET


class DecisionAnswer(_Part, frozen=True, kw_only=True):
    """What a person decides when the step asks, or that nobody decides until the time is up."""

    decision: Annotated[
        Literal["approve", "reject", "timeout"],
        Meta(description="`timeout`: the clock goes on to the due date, and `onTimeout` holds"),
    ]
    by: Annotated[str, Meta(min_length=1, description="Who decides")] = "reviewer"
    groups: Annotated[list[str], Meta(description="Groups that the person belongs to")] = []
    comment: Annotated[str, Meta(description="What the person writes")] = ""
    outputs: Annotated[dict[str, Any], Meta(description="What the person gives, of what the gate asks for")] = {}


class Answer(_Part, frozen=True, kw_only=True):
    """What a step answers: one of `outputs`, `failure`, `attempts`, `items`; and what people decide when it asks."""

    outputs: (
        Annotated[
            dict[str, Any],
            Meta(description="Every output; of an artifact `{text: ...}`, `{files: {NAME: TEXT}}` or `{path: ...}`"),
        ]
        | UnsetType
    ) = UNSET
    failure: FailureAnswer | UnsetType = UNSET
    spent: Spent | UnsetType = UNSET
    attempts: (
        Annotated[
            Annotated[list[AttemptAnswer], Meta(min_length=1)],
            Meta(description="One for each attempt; the last one holds for all that follow"),
        ]
        | UnsetType
    ) = UNSET
    items: Annotated[list[ItemAnswer], Meta(description="One for each item of a fan-out step")] | UnsetType = UNSET
    decisions: (
        Annotated[
            Annotated[list[DecisionAnswer], Meta(min_length=1)],
            Meta(description="In the order in which they are made"),
        ]
        | UnsetType
    ) = UNSET


class ExpectedStep(_Part, frozen=True, kw_only=True):
    """What is expected of a step; what is left out may be anything."""

    phase: Annotated[StepPhase, Meta(description="How it ended")] | UnsetType = UNSET
    attempts: (
        Annotated[Annotated[int, Meta(ge=0)], Meta(description="Attempts begun; of a fan-out step, of all items")]
        | UnsetType
    ) = UNSET
    items: Annotated[Annotated[int, Meta(ge=0)], Meta(description="Items of a fan-out step")] | UnsetType = UNSET
    verdict: Annotated[Effect, Meta(description="What the constitution or the policy said")] | UnsetType = UNSET
    failure: (
        Annotated[
            FailureClass | Literal["omitted", "cancelled"],
            Meta(description="Class of its failure"),
        ]
        | UnsetType
    ) = UNSET
    message: Annotated[str, Meta(description="A part of what its failure says")] | UnsetType = UNSET
    outputs: Annotated[dict[str, Any], Meta(description="These of its outputs, exactly")] | UnsetType = UNSET


class ExpectedDiagnostic(_Part, frozen=True, kw_only=True):
    """A mistake that the capsule is expected to have."""

    code: Annotated[str, Meta(description="Number or name of the code", examples=["CAP203"])]
    line: Annotated[Annotated[int, Meta(ge=1)], Meta(description="Line of the capsule")] | UnsetType = UNSET


class Expect(_Part, frozen=True, kw_only=True):
    """What is expected of a run, or of compiling the capsule; what is left out may be anything."""

    phase: Annotated[Phase, Meta(description="How the run ended; `Waiting`: it waits for people")] | UnsetType = UNSET
    message: Annotated[str, Meta(description="A part of what the run's failure says")] | UnsetType = UNSET
    outputs: Annotated[dict[str, Any], Meta(description="All outputs of the capsule, exactly")] | UnsetType = UNSET
    steps: Annotated[dict[str, ExpectedStep], Meta(description="By id; inside a capsule step `STEP/ID`")] = {}
    skipped: (
        Annotated[list[str], Meta(description="The steps that were skipped, all of them; `[]`: none was")] | UnsetType
    ) = UNSET
    asserted: Annotated[
        list[str],
        Meta(
            description="Expressions over `inputs`, `outputs`, `steps` and `run` that are true",
            examples=[["size(outputs.findings) == 5"]],
            extra_json_schema={HINTS: {"holes": True}},
        ),
    ] = field(name="assert", default_factory=list)
    refused: Annotated[str, Meta(description="No run: the inputs are refused, and this is said")] | UnsetType = UNSET
    diagnostics: (
        Annotated[list[ExpectedDiagnostic], Meta(description="No run: the mistakes of the capsule, all of them")]
        | UnsetType
    ) = UNSET
    snapshot: Annotated[bool, Meta(description="Compare the run with the one in `__snapshots__`")] = False


class Case(_Part, frozen=True, kw_only=True):
    """One run, or one attempt to compile."""

    name: CaseName
    inputs: Annotated[dict[str, Any], Meta(description="Inputs; relative paths are taken from the file's folder")] = {}
    submitter: Annotated[str, Meta(min_length=1, description="Who starts the run")] = "tester"
    answers: Annotated[dict[str, Answer], Meta(description="By step id; inside a capsule step `STEP/ID`")] = {}
    timeout: Annotated[Duration, Meta(description="A case not ended by then has failed; default 5m")] | UnsetType = (
        UNSET
    )
    expect: Expect


class Shared(_Part, frozen=True, kw_only=True):
    """What all cases have in common."""

    inputs: Annotated[dict[str, Any], Meta(description="Of every case that does not give them itself")] = {}
    answers: Annotated[dict[str, Answer], Meta(description="Of every case that does not answer itself")] = {}


class Spec(Shared, frozen=True, kw_only=True):
    """What is tested, and how."""

    capsule: (
        Annotated[
            str,
            Meta(description="Path from this file; without it, the capsule above of this file's name, or the only one"),
        ]
        | UnsetType
    ) = UNSET
    cases: Annotated[list[Case], Meta(min_length=1, max_length=1000, description="In the order in which they are run")]


class CapsuleTest(_Part, frozen=True, kw_only=True):
    """A file of tests of one capsule."""

    api_version: Literal["somagent.io/v1alpha1"]
    kind: Literal["CapsuleTest"]
    metadata: Metadata
    spec: Spec
