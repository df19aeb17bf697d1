"""A page for each code, as a file: what an editor opens when a person follows the code of a mistake."""

from __future__ import annotations

import tempfile
from pathlib import Path

from somagent.capsule_compiler.diagnostics.codes import code_of
from somagent.capsule_compiler.diagnostics.explain import UnknownCode, explain


class Explanations:
    """Pages, written when first asked for, in a folder that goes when the server ends."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="somagent-codes-", ignore_cleanup_errors=True)
        self._known: dict[str, str | None] = {}

    def address(self, name: str) -> str | None:
        """The address of the page on the diagnostic of a name; None when it cannot be had."""
        if name not in self._known:
            self._known[name] = self._written(name)
        return self._known[name]

    def close(self) -> None:
        """Takes the pages away."""
        self._folder.cleanup()

    def _written(self, name: str) -> str | None:
        try:
            path = Path(self._folder.name) / f"{code_of(name).number}.txt"
            path.write_text(explain(name).text, encoding="utf-8")
        except (UnknownCode, KeyError, OSError):
            return None
        return path.as_uri()
