"""A Task Capsule as its author writes it; the JSON Schema that editors use is generated from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from somagent.capsule_compiler.model.about import LONE_FIELD, about, form, name_form
from somagent.capsule_compiler.model.texts import Cost, Duration, TokenCount
from somagent.capsule_compiler.model.values import Grantee, ValueSchema
from somagent.capsule_compiler.packages.versions import RANGE, VERSION
from somagent.governance.documents import HINTS

StepId = Annotated[str, name_form("^[a-z][a-z0-9_]{0,62}$", "a step id like `run_tests`", "Id of a step", "run_tests")]
Name = Annotated[str, name_form("^[a-z][A-Za-z0-9_]{0,62}$", "a name like `max_size`", "Name", "max_size")]
TypeName = Annotated[
    str, name_form("^[A-Za-z][A-Za-z0-9_]{0,62}$", "a type name like `Finding`", "Name of a type", "Finding")
]
PackageName = Annotated[
    str, form(r"^[a-z0-9-]+/[a-z0-9-]+$", "a package name like `acme/repo-health`", "Package", "acme/repo-health")
]
Version = Annotated[str, form(f"^{VERSION}$", "a version like `1.3.0`", "Semantic version", "1.3.0")]
PackageUse = Annotated[
    str,
    form(
        rf"^(\./[^\\]+\.ya?ml|[a-z0-9-]+/[a-z0-9-]+(@{RANGE})?)$",
        "a path beside the capsule like `./release.yaml`, or a package like `acme/release@^1.2` (ranges ^ ~ = >=)",
        "A file beside the capsule, or a package and the versions of it that will do",
        "acme/release@^1.2",
        "./release.yaml",
    ),
]
FailureName = Literal["transient", "rate_limit", "timeout", "invalid_output", "error", "resources"]
Attempts = Annotated[int, Meta(ge=1, le=20)]
Parallel = Annotated[int, Meta(ge=1, le=1000)]

# What holds where nothing is written; the compiler reads these, and so do schemas and pages.
DEFAULT_TIMEOUT = "1h"
DEFAULT_ATTEMPTS = 1
DEFAULT_BACKOFF = "1s"
DEFAULT_FAILURES: tuple[FailureName, ...] = ("transient", "rate_limit", "timeout")
DEFAULT_ON_EXCEED: Literal["stop", "ask", "warn"] = "stop"
DEFAULT_ITEM = "item"
DEFAULT_INDEX = "index"
DEFAULT_ON_ITEM_FAILURE = "fail"

_EXPRESSION = Meta(extra_json_schema={HINTS: {"noun": "an expression", "holes": True}})  # holes are a mistake there
_TIMEOUT = about("Hard deadline of one attempt", "15m", default=DEFAULT_TIMEOUT)
_ATTEMPTS = about("Attempts in all, the first included", default=DEFAULT_ATTEMPTS)
_BACKOFF = about("Wait before the second attempt; doubles each time", "10s", default=DEFAULT_BACKOFF)
_FAILURES = about("Failure classes worth another attempt", ["transient"], default=list(DEFAULT_FAILURES))
_WALL_CLOCK = about("Time with a step at work; waiting for people uses nothing up", "2h")
_ON_EXCEED = about(
    "When more is wanted: `stop` fails the step, `ask` lets people decide, `warn` goes on and says so",
    "ask",
    default=DEFAULT_ON_EXCEED,
)
_FOR_EACH = Meta(
    description="`${{ }}` that gives a list; the step runs once for each item",
    examples=["${{ inputs.paths }}"],
    extra_json_schema={HINTS: {"noun": "one `${{ }}` that gives a list, such as `${{ ['a', 'b'] }}`", "holes": True}},
)
_INDEX_AS = about("What the item's place in the list is called, from 0", "number", default=DEFAULT_INDEX)
_ON_ITEM_FAILURE = about(
    "What an item that failed does: `fail` fails the step, `collect` leaves its `error` in the result",
    "collect",
    default=DEFAULT_ON_ITEM_FAILURE,
)


class _Part(Struct, frozen=True, omit_defaults=True, gc=False):
    """What all parts of a capsule have in common."""


class Metadata(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Kubernetes' object metadata, as far as a capsule uses it."""

    name: Annotated[
        str,
        form(
            r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            "a DNS name like `repo-health`",
            "Name of the capsule",
            "repo-health",
        ),
        LONE_FIELD,
    ]
    labels: Annotated[dict[str, str], Meta(description="Kubernetes labels")] = {}
    annotations: Annotated[dict[str, str], Meta(description="Kubernetes annotations")] = {}


class RetrySpec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When a failed attempt is followed by another one."""

    attempts: Annotated[Attempts, _ATTEMPTS, LONE_FIELD] | UnsetType = UNSET
    backoff: Annotated[Duration, _BACKOFF] | UnsetType = UNSET
    failures: Annotated[list[FailureName], _FAILURES] | UnsetType = UNSET


class BudgetSpec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Upper limits. What would go beyond one is not started."""

    tokens: Annotated[TokenCount, about("Tokens of all models together", "400k"), LONE_FIELD] | UnsetType = UNSET
    cost: Annotated[Cost, about("Money spent", "6.00 USD"), LONE_FIELD] | UnsetType = UNSET
    wall_clock: Annotated[Duration, _WALL_CLOCK, LONE_FIELD] | UnsetType = UNSET
    on_exceed: Annotated[Literal["stop", "ask", "warn"], _ON_EXCEED] | UnsetType = UNSET


class Defaults(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What steps get that do not say it themselves."""

    timeout: Annotated[Duration, _TIMEOUT] | UnsetType = UNSET
    retry: Annotated[RetrySpec, about("When a failed attempt is followed by another one")] | UnsetType = UNSET


class SecretUse(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A secret, by the place where its value is kept, and who may get it. The value is never in a capsule."""

    secret: Annotated[
        str,
        form(
            r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
            "the name of a secret like `git-writer`",
            "Name of the secret in the store of secrets",
            "git-writer",
        ),
    ]
    key: Annotated[
        str,
        form(r"^[-._A-Za-z0-9]{1,253}$", "a key like `token`", "Key inside the secret", "token"),
    ]
    grant_to: Annotated[
        list[Grantee],
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
        list[StepId], about("Steps that must have ended first; references imply theirs", ["run_tests"])
    ] = []
    if_: Annotated[str, about("CEL; false skips the step", "inputs.deep"), _EXPRESSION] | UnsetType = field(
        name="if", default=UNSET
    )
    require: (
        Annotated[str, about("CEL; false fails the step", "steps.test.coverage >= 0.7"), _EXPRESSION] | UnsetType
    ) = UNSET
    for_each: Annotated[str, _FOR_EACH] | UnsetType = UNSET
    as_: Annotated[Name, about("What an item is called", "module", default=DEFAULT_ITEM)] | UnsetType = field(
        name="as", default=UNSET
    )
    index_as: Annotated[Name, _INDEX_AS] | UnsetType = UNSET
    max_parallel: (
        Annotated[Parallel, about("Items at work at once; without it, as many as the engine takes", 3)] | UnsetType
    ) = UNSET
    on_item_failure: Annotated[Literal["fail", "collect"], _ON_ITEM_FAILURE] | UnsetType = UNSET
    outputs: Annotated[
        dict[Name, ValueSchema], about("What the step gives, by name", {"coverage": {"type": "number"}})
    ] = {}
    timeout: (
        Annotated[Duration, about("Hard deadline of one attempt; without it, that of `defaults`", "15m")] | UnsetType
    ) = UNSET
    retry: (
        Annotated[RetrySpec, about("When a failed attempt is followed by another one; field by field over `defaults`")]
        | UnsetType
    ) = UNSET
    budget: (
        Annotated[BudgetSpec, about("Of the step; beside `forEach`, of each item", {"tokens": "60k"})] | UnsetType
    ) = UNSET
    total_budget: (
        Annotated[BudgetSpec, about("Of all items of a `forEach` together", {"tokens": "200k"})] | UnsetType
    ) = UNSET


class Operation(_Part, frozen=True, kw_only=True):
    """The operator of a step and its arguments, as read."""

    operator: str
    arguments: Any
    at: tuple[str, ...]  # keys from the step to the arguments


class Spec(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the capsule does."""

    package: Annotated[PackageName, about("Package that the capsule is in", "acme/repo-health")] | UnsetType = UNSET
    version: Annotated[Version, about("Version of the package", "1.3.0")] | UnsetType = UNSET
    description: Annotated[str, about("One or two sentences for people", "Examines a repository.")] = ""
    uses: Annotated[Uses, about("Everything from outside the file, once")] = Uses()
    inputs: Annotated[
        dict[Name, ValueSchema],
        about("What a run is given; without `default` it is required", {"paths": {"type": "string"}}),
    ] = {}
    budget: Annotated[BudgetSpec, about("Of the whole run", {"tokens": "400k", "cost": "6.00 USD"})] | UnsetType = UNSET
    defaults: Annotated[Defaults, about("What steps get that do not say it themselves")] = Defaults()
    steps: Annotated[dict[StepId, Step], about("The steps, by id; at most 5,000")]
    outputs: Annotated[
        dict[Name, Annotated[str, Meta(extra_json_schema={HINTS: {"noun": "one `${{ }}`", "holes": True}})]],
        about("What a run gives: `${{ }}` by name", {"report": "${{ steps.check.report }}"}),
    ] = {}
    finally_: Annotated[
        dict[StepId, Step], about("Steps that run in this order when the rest has ended, however it ended")
    ] = field(name="finally", default_factory=dict)
    types: Annotated[
        dict[TypeName, ValueSchema], about("Named schemas for `$ref`", {"Finding": {"type": "object"}})
    ] = {}


class Capsule(_Part, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A Task Capsule: governed agent work as code."""

    api_version: Annotated[Literal["somagent.io/v1alpha1"], about("Version of this form")]
    kind: Annotated[Literal["Capsule"], about("What the document is")]
    metadata: Annotated[Metadata, about("Its name, and what Kubernetes keeps about it")]
    spec: Annotated[Spec, about("What the capsule does")]
