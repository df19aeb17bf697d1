"""A Task Capsule as its author writes it; the JSON Schema that editors use is generated from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from somagent.capsule_compiler.model.quantities import COUNT, DURATION, MONEY
from somagent.capsule_compiler.model.values import ValueSchema
from somagent.capsule_compiler.packages.versions import RANGE, VERSION
from somagent.governance.documents import HINTS


def _form(pattern: str, noun: str, description: str, *examples: str) -> Meta:
    return Meta(
        pattern=pattern,
        description=description,
        examples=list(examples),
        extra_json_schema={HINTS: {"noun": noun}},
    )


_EXPRESSION = {HINTS: {"noun": "an expression", "holes": True}}  # holes have a mistake of their own there
_DURATION = "a duration like `15m` (units ms, s, m, h, d)"
Duration = Annotated[str, _form(DURATION, _DURATION, "Length of time", "15m", "1h30m")]
StepId = Annotated[str, _form("^[a-z][a-z0-9_]{0,62}$", "a step id like `run_tests`", "Id of a step", "run_tests")]
Name = Annotated[str, _form("^[a-z][A-Za-z0-9_]{0,62}$", "a name like `max_size`", "Name", "max_size")]
TypeName = Annotated[
    str, _form("^[A-Za-z][A-Za-z0-9_]{0,62}$", "a type name like `Finding`", "Name of a type", "Finding")
]
TokenCount = Annotated[str, _form(COUNT, "a number of tokens like `400k`", "Number of tokens", "400k")]
Cost = Annotated[str, _form(MONEY, "an amount of money like `6.00 USD`", "Amount of money", "6.00 USD")]
PackageName = Annotated[
    str, _form(r"^[a-z0-9-]+/[a-z0-9-]+$", "a package name like `acme/repo-health`", "Package", "acme/repo-health")
]
Version = Annotated[str, _form(f"^{VERSION}$", "a version like `1.3.0`", "Semantic version", "1.3.0")]
PackageUse = Annotated[
    str,
    _form(
        rf"^(\./[^\\]+\.ya?ml|[a-z0-9-]+/[a-z0-9-]+(@{RANGE})?)$",
        "a path beside the capsule like `./release.yaml`, or a package like `acme/release@^1.2` (ranges ^ ~ = >=)",
        "A file beside the capsule, or a package and the versions of it that will do",
        "acme/release@^1.2",
        "./release.yaml",
    ),
]
FailureName = Literal["transient", "rate_limit", "timeout", "invalid_output", "error"]


class _Part(Struct, frozen=True, omit_defaults=True, gc=False):
    """What all parts of a capsule have in common."""


class Metadata(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Kubernetes' object metadata, as far as a capsule uses it."""

    name: Annotated[
        str,
        _form(
            r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            "a DNS name like `repo-health`",
            "Name of the capsule",
            "repo-health",
        ),
    ]
    labels: Annotated[dict[str, str], Meta(description="Kubernetes labels")] = {}
    annotations: Annotated[dict[str, str], Meta(description="Kubernetes annotations")] = {}


class RetrySpec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When a failed attempt is followed by another one."""

    attempts: Annotated[
        Annotated[int, Meta(ge=1, le=20)] | UnsetType,
        Meta(description="Attempts in all, the first included; default 1"),
    ] = UNSET
    backoff: Annotated[
        Duration | UnsetType, Meta(description="Wait before the second attempt; doubles each time; default 1s")
    ] = UNSET
    failures: Annotated[
        list[FailureName] | UnsetType,
        Meta(description="Failure classes worth another attempt; default transient, rate_limit, timeout"),
    ] = UNSET


class BudgetSpec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Upper limits. What would go beyond one is not started."""

    tokens: Annotated[TokenCount | UnsetType, Meta(description="Tokens of all models together")] = UNSET
    cost: Annotated[Cost | UnsetType, Meta(description="Money spent")] = UNSET
    wall_clock: Annotated[
        Duration | UnsetType, Meta(description="Time with a step at work; waiting for people uses nothing up")
    ] = UNSET
    on_exceed: Annotated[
        Literal["stop", "ask", "warn"] | UnsetType,
        Meta(
            description="When more is wanted: `stop` fails the step, `ask` lets people decide, `warn` goes on and says"
            " so; default stop"
        ),
    ] = UNSET


class Defaults(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What steps get that do not say it themselves."""

    timeout: Annotated[Duration | UnsetType, Meta(description="Hard deadline of one attempt; default 1h")] = UNSET
    retry: RetrySpec | UnsetType = UNSET


class SecretUse(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A secret, by the place where its value is kept, and who may get it. The value is never in a capsule."""

    secret: Annotated[
        str,
        _form(
            r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
            "the name of a secret like `git-writer`",
            "Name of the secret in the store of secrets",
            "git-writer",
        ),
    ]
    key: Annotated[
        str,
        _form(r"^[-._A-Za-z0-9]{1,253}$", "a key like `token`", "Key inside the secret", "token"),
    ]
    grant_to: Annotated[
        list[Name],
        Meta(
            min_length=1,
            description="Who may get it: tools and capsules under `uses`, and script steps, by name",
            examples=[["repo"]],
        ),
    ]


class Uses(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Everything from outside the file, once."""

    personas: Annotated[dict[Name, PackageUse], Meta(description="Personas that models answer as")] = {}
    tools: Annotated[dict[Name, PackageUse], Meta(description="Tools that steps and personas may use")] = {}
    policies: Annotated[dict[Name, PackageUse], Meta(description="Policy sets for `policy` steps")] = {}
    capsules: Annotated[dict[Name, PackageUse], Meta(description="Capsules that `capsule` steps run")] = {}
    secrets: Annotated[dict[Name, SecretUse], Meta(description="Secrets, and who may get them")] = {}


class Step(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One step. Exactly one key says which operator it is; the key's value is that operator's arguments."""

    needs: Annotated[
        list[StepId],
        Meta(description="Steps that must have ended first, where no data flows; references imply the rest"),
    ] = []
    if_: Annotated[
        str | UnsetType,
        Meta(description="CEL; false skips the step", examples=["inputs.deep"], extra_json_schema=_EXPRESSION),
    ] = field(name="if", default=UNSET)
    require: Annotated[
        str | UnsetType,
        Meta(
            description="CEL; false fails the step",
            examples=["steps.test.coverage >= 0.7"],
            extra_json_schema=_EXPRESSION,
        ),
    ] = UNSET
    for_each: Annotated[
        str | UnsetType,
        Meta(
            description="`${{ }}` that gives a list; the step runs once for each item",
            examples=["${{ inputs.paths }}"],
            extra_json_schema={
                HINTS: {"noun": "one `${{ }}` that gives a list, such as `${{ ['a', 'b'] }}`", "holes": True}
            },
        ),
    ] = UNSET
    as_: Annotated[Name | UnsetType, Meta(description="What an item is called; default `item`")] = field(
        name="as", default=UNSET
    )
    index_as: Annotated[
        Name | UnsetType, Meta(description="What the item's place in the list is called, from 0; default `index`")
    ] = UNSET
    max_parallel: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | UnsetType, Meta(description="Items at work at once")
    ] = UNSET
    on_item_failure: Annotated[
        Literal["fail", "collect"] | UnsetType,
        Meta(
            description="What an item that failed does: `fail` fails the step, `collect` leaves its `error` in the"
            " result; default fail"
        ),
    ] = UNSET
    outputs: Annotated[dict[Name, ValueSchema], Meta(description="What the step gives, by name")] = {}
    timeout: Annotated[Duration | UnsetType, Meta(description="Hard deadline of one attempt")] = UNSET
    retry: RetrySpec | UnsetType = UNSET
    budget: Annotated[BudgetSpec | UnsetType, Meta(description="Of the step; beside `forEach`, of each item")] = UNSET
    total_budget: Annotated[BudgetSpec | UnsetType, Meta(description="Of all items of a `forEach` together")] = UNSET


class Operation(_Part, frozen=True, kw_only=True):
    """The operator of a step and its arguments, as read."""

    operator: str
    arguments: Any
    at: tuple[str, ...]  # keys from the step to the arguments


class Spec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the capsule does."""

    package: PackageName | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    description: Annotated[str, Meta(description="One or two sentences for people")] = ""
    uses: Uses = Uses()
    inputs: Annotated[
        dict[Name, ValueSchema], Meta(description="What a run is given; without `default` it is required")
    ] = {}
    budget: BudgetSpec | UnsetType = UNSET
    defaults: Defaults = Defaults()
    steps: Annotated[dict[StepId, Step], Meta(description="The steps, by id; at most 5,000")]
    outputs: Annotated[
        dict[Name, Annotated[str, Meta(extra_json_schema={HINTS: {"noun": "one `${{ }}`", "holes": True}})]],
        Meta(description="What a run gives: `${{ }}` by name"),
    ] = {}
    finally_: Annotated[
        dict[StepId, Step], Meta(description="Steps that run in this order when the rest has ended, however it ended")
    ] = field(name="finally", default_factory=dict)
    types: Annotated[dict[TypeName, ValueSchema], Meta(description="Named schemas for `$ref`")] = {}


class Capsule(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A Task Capsule: governed agent work as code."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], Meta(description="Version of this form")]
    kind: Annotated[Literal["Capsule"], Meta(description="What the document is")]
    metadata: Metadata
    spec: Spec
