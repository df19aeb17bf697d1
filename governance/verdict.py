"""What a constitution says of a step or of a policy step's input, with its reasons."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Effect = Literal["allow", "audit", "require_review", "deny"]
STRENGTH: dict[Effect, int] = {"allow": 0, "audit": 1, "require_review": 2, "deny": 3}
"""Of all rules that match, the one with the strongest effect decides."""

StaticVerdict = Literal["allow", "audit", "require_review", "deny", "depends"]


class Match(Struct, frozen=True, kw_only=True):
    """A rule that matched without deciding."""

    rule: str
    effect: Effect
    because: str


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule book said, and the rules that made it say so."""

    effect: Effect
    rules: Annotated[list[str], Meta(description="The rules that made the effect, in the order of the text")] = []
    because: Annotated[list[str], Meta(description="Their reasons; without rules, why the default stands")] = []
    also: Annotated[list[Match], Meta(description="Matched rules of a weaker effect, in the order of the text")] = []
    constitution: Annotated[str, Meta(description="Digest of the rule book that was asked")]
