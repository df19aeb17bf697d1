"""What the compiler knows of operators: data, never their code.

An installation's operators describe themselves in `OperatorEntry` records; whoever calls the compiler collects them
into a `Catalogue` and passes it in. Its digest is part of every plan.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from somagent.governance.canonical import canonical_json, digest_of

# Hints inside an argument's JSON Schema, under the key `HINTS` (`x-somagent`); all else there is plain JSON Schema.
HOLES = "holes"  # true: here and inside, `${{ }}` is evaluated; so it is in all arguments of operators
PLAIN = "plain"  # but not here; the hint's text is the way out that the diagnostic shows
INCLUDE = "include"  # true: a list of paths of files or folders beside the capsule; `plain` as well
REVIEWED_BY = "reviewedBy"  # name of an output that a later gate must read when this argument is `pass`
ARTIFACT_ONLY = "artifact"  # true: an artifact, given by an expression
SCRIPT = "script"  # name of the sibling argument with the variables of this script's text
SECRETS = "secrets"  # secrets may be entries of it: granted to the step (true), or to what the named sibling names
EXPRESSIONS = "expressions"  # true: a list whose texts are expressions; `${{ }}` around them may be left out
POLICY_SET = "policySet"  # true: the name of a set under `uses.policies`
POLICY_INPUT = "policyInput"  # name of the sibling argument that names the set whose `input` schema types this value
USES = "uses"  # section of `uses` (`capsules`, `tools`, `personas`): an alias of it, or a list of aliases
LONE = "lone"  # true: a value alone, in place of the mapping with this argument, is meant for it
UNASKED = "unasked"  # when the argument is given (true), or not as said, the step may end although nobody decided
USED_INPUT = "usedInput"  # name of the sibling argument whose `uses` alias this mapping of inputs is for


class OperatorEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operator, as authors see it."""

    name: str
    summary: Annotated[str, Meta(description="One line for menus and messages")]
    arguments: Annotated[dict[str, Any], Meta(description="JSON Schema of the value of the operator's key")]
    outputs: Annotated[dict[str, Any], Meta(description="JSON Schema of each output that it always gives")] = {}
    declares_outputs: Annotated[bool, Meta(description="The author declares outputs with `outputs:`")] = False
    artifacts_by_path: Annotated[
        bool, Meta(description="Declared artifacts are files in the step's working folder, found by `path`")
    ] = True
    answered: Annotated[bool, Meta(description="People give the declared outputs when they decide")] = False
    gate: Annotated[bool, Meta(description="Opens only on allow or approve")] = False
    outside: Annotated[bool, Meta(description="Its effect is outside of the run: tests of capsules answer for it")] = (
        False
    )
    core: Annotated[bool, Meta(description="Written by a key of its own; only SomaGent's own operators are")] = False


UNKNOWN = OperatorEntry(name="", summary="", arguments={}, declares_outputs=True, artifacts_by_path=False)
"""Of a step that does not say what it does: nothing is known of its arguments and outputs."""


class Catalogue(Struct, frozen=True):
    """The operators of an installation, by name."""

    operators: dict[str, OperatorEntry]

    def digest(self) -> str:
        """sha256 of the canonical JSON of all entries."""
        return digest_of(canonical_json(msgspec.to_builtins(self.operators)))
