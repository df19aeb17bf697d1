"""plan/v1: what an engine needs to run a capsule, and nothing about any engine.

Everything is explicit: defaults are filled in, references are edges, expressions are typed and checked. The one part
that may differ between two texts of the same meaning is `source`, so the plan's digest leaves it out: reformatting a
capsule changes no digest.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from somagent.governance.canonical import canonical_json, digest_of
from somagent.governance.verdict import StaticVerdict

FORMAT = "plan/v1"

JsonSchema = dict[str, Any]


class _Part(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What all parts of a plan have in common: immutable, closed, silent about defaults, and never in a circle."""


class Cel(_Part, frozen=True, kw_only=True):
    """A checked CEL expression, as source text."""

    cel: str


class Hole(_Part, frozen=True, kw_only=True):
    """A place in a template whose value is computed when the step runs.

    Exactly one of the two: `cel`, when the whole value is one expression and keeps its type; `text`, when expressions
    are rendered into a string.
    """

    at: Annotated[list[str | int], Meta(description="Path of keys and indices from the template's root")]
    cel: str = ""
    text: list[str | Cel] = []


class Template(_Part, frozen=True, kw_only=True):
    """A JSON value with holes; `null` stands where a hole will be filled."""

    value: Any = None
    holes: list[Hole] = []


class Edge(_Part, frozen=True, kw_only=True):
    """A node waits for `step`: because it reads from it (`data`) or only for order."""

    step: str
    kind: Literal["data", "order"]


class FanOut(_Part, frozen=True, kw_only=True):
    """One run of the node for each item of a list."""

    items: Annotated[Template, Meta(description="Gives the list")]
    name: Annotated[str, Meta(description="What an item is called in expressions")]
    item_schema: Annotated[JsonSchema, Meta(description="JSON Schema of one item")]
    index: Annotated[str, Meta(description="What the item's place in the list, from 0, is called in expressions")] = (
        "index"
    )
    max_parallel: Annotated[int, Meta(ge=0, description="Items at work at once; 0 = no limit of its own")] = 0
    on_failure: Annotated[
        Literal["fail", "collect"],
        Meta(description="What a failed item does: fails the step, or stands in the result as an error"),
    ] = "fail"


class Retry(_Part, frozen=True, kw_only=True):
    """When an attempt's failure is followed by another attempt."""

    attempts: Annotated[int, Meta(ge=1, description="Attempts in all, the first included")] = 1
    backoff_ms: Annotated[int, Meta(ge=0, description="Wait before the second attempt; it doubles each time")] = 0
    max_backoff_ms: Annotated[int, Meta(ge=0, description="The longest wait")] = 300_000
    failures: Annotated[list[str], Meta(description="Failure classes worth another attempt")] = []


class Amounts(_Part, frozen=True, kw_only=True):
    """What is reserved and spent."""

    tokens: int = 0
    cost_micros: Annotated[int, Meta(description="Millionths of the budget's currency")] = 0

    def plus(self, other: Amounts) -> Amounts:
        """The sum."""
        return Amounts(tokens=self.tokens + other.tokens, cost_micros=self.cost_micros + other.cost_micros)


class Budget(_Part, frozen=True, kw_only=True):
    """Upper limits; what is absent is unlimited."""

    tokens: int | None = None
    cost_micros: int | None = None
    currency: str = ""
    wall_clock_ms: int | None = None
    on_exceed: Annotated[Literal["stop", "ask", "warn"], Meta(description="What happens when more would be spent")] = (
        "stop"
    )


class Node(_Part, frozen=True, kw_only=True):
    """One step."""

    id: str
    operator: str
    arguments: Template = Template()
    needs: list[Edge] = []
    guard: Annotated[str, Meta(description="CEL of `if`: false skips the step; empty = always")] = ""
    require: Annotated[str, Meta(description="CEL of `require`: false fails the step; empty = nothing required")] = ""
    fan_out: FanOut | None = None
    outputs: Annotated[dict[str, JsonSchema], Meta(description="JSON Schema of each output")] = {}
    gate: Annotated[bool, Meta(description="Opens only on allow or approve; skipped, it stays closed")] = False
    retry: Retry = Retry()
    timeout_ms: Annotated[int, Meta(ge=1, description="Hard deadline of one attempt")]
    budget: Annotated[Budget | None, Meta(description="Of the step; of a fan-out step, of each item")] = None
    total_budget: Annotated[Budget | None, Meta(description="Of all items of a fan-out step together")] = None
    capsule: Annotated[str, Meta(description="Digest of the sub-plan that the step runs; empty = none")] = ""
    secrets: Annotated[
        list[str], Meta(description="Secrets that the step was granted, by their names in the plan")
    ] = []
    verdict: Annotated[StaticVerdict, Meta(description="The constitution's verdict as far as known before the run")] = (
        "allow"
    )


class RuleBook(_Part, frozen=True, kw_only=True):
    """A constitution or policy set, whole, so that a run never depends on a file that may change."""

    name: str
    version: str
    digest: str
    document: Annotated[dict[str, Any], Meta(description="The parsed document")]


class UsedDocument(_Part, frozen=True, kw_only=True):
    """A persona or a tool, whole, so that a run never depends on a file that may change."""

    name: str
    digest: Annotated[str, Meta(description="sha256 of the canonical document")]
    document: Annotated[dict[str, Any], Meta(description="The parsed document")]


class PackagePin(_Part, frozen=True, kw_only=True):
    """Which version of a package the capsule uses, and what is in it."""

    version: str
    digest: Annotated[str, Meta(description="sha256 over the digests of all files of the package")]


class SecretUse(_Part, frozen=True, kw_only=True):
    """Where the value of a secret comes from, and who may get it; the value itself is never in a plan."""

    secret: Annotated[str, Meta(description="Name of the secret in the store of secrets")]
    key: Annotated[str, Meta(description="Key inside the secret")]
    grant_to: Annotated[list[str], Meta(description="Tools, capsules and steps that may get it, by name")]


class CapsuleInfo(_Part, frozen=True, kw_only=True):
    """Which capsule this is."""

    name: str
    package: str = ""
    version: str = ""
    description: str = ""


class IncludedFile(_Part, frozen=True, kw_only=True):
    """A file beside the capsule that a step takes along; its content is stored with the run."""

    path: Annotated[str, Meta(description="Relative to the capsule, with forward slashes")]
    digest: str
    size: Annotated[int, Meta(description="Bytes")]
    executable: bool = False


class SourceInfo(_Part, frozen=True, kw_only=True):
    """Where the plan came from, for people."""

    file: Annotated[str, Meta(description="The capsule's file name, without folders")] = ""
    digest: Annotated[str, Meta(description="sha256 of the capsule's text as it was read")] = ""
    lines: Annotated[dict[str, int], Meta(description="Line of each step")] = {}


class Plan(_Part, frozen=True, kw_only=True):
    """A checked capsule."""

    format: Literal["plan/v1"]
    capsule: CapsuleInfo
    constitution: RuleBook
    policies: dict[str, RuleBook] = {}
    personas: Annotated[dict[str, UsedDocument], Meta(description="Personas by the name that steps use")] = {}
    tools: Annotated[dict[str, UsedDocument], Meta(description="Tools by the name that steps use")] = {}
    packages: Annotated[dict[str, PackagePin], Meta(description="Packages that the capsule uses itself")] = {}
    inputs: Annotated[dict[str, JsonSchema], Meta(description="JSON Schema of each input")] = {}
    types: Annotated[dict[str, JsonSchema], Meta(description="Named schemas, targets of `#/types/NAME`")] = {}
    nodes: Annotated[list[Node], Meta(description="Topological order, ties in the order of the text")] = []
    finals: Annotated[list[Node], Meta(description="`finally`: run in order when the rest has ended")] = []
    outputs: dict[str, Template] = {}
    output_schemas: dict[str, JsonSchema] = {}
    budget: Budget | None = None
    files: list[IncludedFile] = []
    secrets: Annotated[dict[str, SecretUse], Meta(description="Secrets by the name that expressions use")] = {}
    capsules: Annotated[
        dict[str, Plan], Meta(description="Sub-plans by their digest, each once, at the root only")
    ] = {}
    catalogue: Annotated[str, Meta(description="Digest of the operator catalogue it was checked against")]
    source: SourceInfo = SourceInfo()

    def node(self, step: str) -> Node:
        """The node of that id; raises `KeyError`."""
        for node in (*self.nodes, *self.finals):
            if node.id == step:
                return node
        raise KeyError(step)


_decoder = msgspec.json.Decoder(Plan)


def encode_plan(plan: Plan) -> bytes:
    """Canonical bytes (RFC 8785), the same on every machine."""
    return canonical_json(msgspec.to_builtins(plan))


def decode_plan(content: bytes) -> Plan:
    """The plan in these bytes; raises `msgspec.ValidationError` for anything that is not plan/v1."""
    return _decoder.decode(content)


def plan_digest(plan: Plan) -> str:
    """sha256 over the canonical bytes without `source`, its own and that of sub-plans."""
    content = msgspec.to_builtins(plan)
    content.pop("source", None)
    for capsule in content.get("capsules", {}).values():
        capsule.pop("source", None)
    return digest_of(canonical_json(content))
