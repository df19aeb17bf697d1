"""What is said of a field beside its type: for schemas, editors, pages and `kubectl explain`."""

from __future__ import annotations

from msgspec import Meta

from somagent.governance.documents import HINTS


def about(description: str, *examples: object, default: object = None) -> Meta:
    """What people read of a field. The default is what holds where nothing is written; none is ever written in."""
    return Meta(
        description=description,
        examples=list(examples) or None,
        extra_json_schema=None if default is None else {"default": default},
    )


def form(pattern: str, noun: str, description: str, *examples: str) -> Meta:
    """The form of a text: the pattern it has, and what a text in that form is called in a message."""
    return Meta(
        pattern=pattern,
        description=description,
        examples=list(examples),
        extra_json_schema={HINTS: {"noun": noun}},
    )
