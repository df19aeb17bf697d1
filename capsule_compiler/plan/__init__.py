"""The compiler's product: a versioned, engine-neutral document, the only thing an engine reads."""

from somagent.capsule_compiler.plan.model import (
    Amounts,
    Budget,
    CapsuleInfo,
    Cel,
    Edge,
    FanOut,
    Hole,
    IncludedFile,
    Node,
    Plan,
    Retry,
    RuleBook,
    SourceInfo,
    Template,
    decode_plan,
    encode_plan,
    plan_digest,
)
from somagent.governance.canonical import canonical_json, digest_of

__all__ = [
    "Amounts",
    "Budget",
    "CapsuleInfo",
    "Cel",
    "Edge",
    "FanOut",
    "Hole",
    "IncludedFile",
    "Node",
    "Plan",
    "Retry",
    "RuleBook",
    "SourceInfo",
    "Template",
    "canonical_json",
    "decode_plan",
    "digest_of",
    "encode_plan",
    "plan_digest",
]
