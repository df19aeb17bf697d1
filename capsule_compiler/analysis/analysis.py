"""One state of a text, with all that the compiler can say of it."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from somagent.capsule_compiler.compile import draft_capsule, shown
from somagent.capsule_compiler.draft import Draft, Given
from somagent.capsule_compiler.passes import CHECKS
from somagent.capsule_compiler.readings import Readings
from somagent.governance.documents import Diagnostic, Source


class Analysis(Struct, frozen=True):
    """What is known of a text. `known` is its draft, or the last one before it that had a tree."""

    draft: Draft
    known: Draft
    diagnostics: tuple[Diagnostic, ...]

    @property
    def source(self) -> Source:
        """The text as it is now."""
        return self.draft.source

    @property
    def current(self) -> bool:
        """Whether the places in `known` are places of the text as it is now."""
        return self.known is self.draft


class Analyst:
    """Looks at one text again and again while it is written."""

    def __init__(self) -> None:
        self._last: Analysis | None = None
        self._readings = Readings(lasting=True)

    def analyse(self, name: str, content: bytes, given: Given) -> Analysis:
        """Looks at the text as it is now."""
        if self._last is None or self._last.draft.given.language is not given.language:
            self._readings = Readings(lasting=True)
        self._readings.again()
        self._last = analyse(name, content, replace(given, readings=self._readings), self._last)
        return self._last


def analyse(name: str, content: bytes, given: Given, last: Analysis | None = None) -> Analysis:
    """Looks at a text; `last` is what was known of it before the last change. Never raises for anything in it."""
    draft = draft_capsule(name, content, given, CHECKS)
    usable = draft.root is not None and draft.capsule is not None
    known = draft if usable or last is None else last.known
    return Analysis(draft, known, shown(draft))
