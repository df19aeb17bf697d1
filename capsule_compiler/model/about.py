"""What is said of a field beside its type: for schemas, editors, pages and `kubectl explain`."""

from __future__ import annotations

from msgspec import Meta

from somagent.governance.documents import HINTS

LONE_FIELD = Meta(extra_json_schema={HINTS: {"lone": True}})
"""A value alone, where the mapping with this field should be, is meant for this field."""


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


def name_form(pattern: str, noun: str, description: str, *examples: str) -> Meta:
    """The form of a name. Only shapes hold names to it: what stands under a wrong name is looked at all the same."""
    return Meta(
        description=description,
        examples=list(examples),
        extra_json_schema={"pattern": pattern, HINTS: {"noun": noun}},
    )
