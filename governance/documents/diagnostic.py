"""A user's mistake is data, so that a terminal, an editor and an API can each show it in their own way."""

from __future__ import annotations

from msgspec import Struct

from somagent.governance.documents.source import Span

MAX_MISTAKES = 500
"""Whoever looks for mistakes stops at about so many: beyond them a list helps nobody, and time stays bounded."""


class Label(Struct, frozen=True):
    """A second place that explains the first ("first defined here")."""

    span: Span
    text: str


class Edit(Struct, frozen=True):
    """A change of the text that would mend the mistake: the span's text becomes `text`.

    A `safe` one keeps the meaning, or gives the only one that the text can have; all others are guesses, which a person
    looks at first.
    """

    span: Span
    text: str
    title: str
    safe: bool = False


class Diagnostic(Struct, frozen=True):
    """One mistake.

    `name` states the fault ("unknown-output") and is the key into the one list of codes, where number, severity and
    examples stand. `message` is one line that can stand alone; `note` is what is written at the caret; `help` says
    the way out.
    """

    name: str
    message: str
    span: Span
    note: str = ""
    help: str = ""
    labels: tuple[Label, ...] = ()
    edit: Edit | None = None


def bounded(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The first mistakes in the order given, and one that says so when there are more."""
    if len(diagnostics) < MAX_MISTAKES:
        return diagnostics
    shown = diagnostics[: MAX_MISTAKES - 1]
    message = f"there are more mistakes; these are the first {len(shown)}"
    return [*shown, Diagnostic("too-many-mistakes", message, diagnostics[len(shown)].span)]
