"""A constitution that was read, checked and made ready to judge; it never changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from somagent.governance.constitution.model import Attribute, Principle
from somagent.governance.constitution.rules import ReadyRule
from somagent.governance.verdict import Effect, Verdict


class Constitution(Struct, frozen=True):
    """Principles, the attributes that a policy step hands over, and rules."""

    name: str
    version: str
    digest: str
    """sha256 over the canonical JSON (RFC 8785) of `document`."""
    document: Mapping[str, Any]
    """The parsed file, whole; what a plan embeds."""
    principles: tuple[Principle, ...]
    input: Mapping[str, Attribute]
    input_rules: tuple[ReadyRule, ...]
    step_rules: tuple[ReadyRule, ...]
    input_default: Verdict
    step_default: Verdict

    @property
    def asks_for_ids(self) -> bool:
        """Whether steps that do the same may be judged differently."""
        return any(rule.reads_step_id for rule in self.step_rules)

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of what a policy step must hand over."""
        schema: dict[str, Any] = self.document["spec"].get("input", {})
        required = [name for name, attribute in self.input.items() if attribute.default is None]
        return _closed({"type": "object", "properties": schema, "required": required})


def default_verdict(effect: Effect, *, keyword: str, name: str, digest: str) -> Verdict:
    """What stands when no rule matches; anything but `allow` says why."""
    because = [] if effect == "allow" else [f"no rule of `{name}` matches, and it says `{keyword}: {effect}`"]
    return Verdict(effect=effect, because=because, constitution=digest)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with objects closed at every depth, which the constitution's own form leaves unsaid."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(member) for name, member in schema["properties"].items()}
        closed["additionalProperties"] = False
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed
