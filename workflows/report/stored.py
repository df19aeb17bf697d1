"""Large values are in the content store; here the report fetches what it shows, and says what it cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import DecodeError, Struct

from somagent.operators.runner.contents import ContentError, Contents
from somagent.operators.runner.records import Artifact
from somagent.operators.runner.tree import ArtifactRefused, Tree
from somagent.operators.runner.values import CONTENT, fetch

_MOST_FETCHED = 500  # so that a run of thousands of large values still has a report


class NotShown(Struct, frozen=True):
    """A value that is not in the report, and why."""

    digest: str
    why: str


class Stored:
    """Reads values by content, each once."""

    def __init__(self, contents: Contents | None) -> None:
        self.contents = contents
        self._known: dict[str, Any] = {}

    def values(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs, with stored values in their place, or `NotShown`."""
        return {name: self._value(value) for name, value in outputs.items()}

    def tree(self, artifact: Artifact) -> Tree | None:
        """What is in a folder; None when the store does not have it."""
        if self.contents is None:
            return None
        try:
            return self.contents.tree(artifact)
        except (ContentError, ArtifactRefused, OSError):
            return None

    def _value(self, value: Any) -> Any:
        if not isinstance(value, dict) or CONTENT not in value:
            return value
        digest = str(value[CONTENT])
        if digest not in self._known:
            self._known[digest] = self._fetch(value, digest)
        return self._known[digest]

    def _fetch(self, value: Any, digest: str) -> Any:
        if self.contents is None:
            return NotShown(digest, "it is in the content store, which this report was made without")
        if len(self._known) >= _MOST_FETCHED:
            return NotShown(digest, f"the report shows at most {_MOST_FETCHED} large values")
        try:
            return fetch({"value": value}, self.contents)["value"]
        except (ContentError, DecodeError, OSError) as fault:
            return NotShown(digest, f"the content store cannot give it: {fault}")
