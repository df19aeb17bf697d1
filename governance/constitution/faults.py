"""Every mistake that only a constitution can hold, by name, and what makes one unusable altogether."""

from __future__ import annotations

FAULTS = frozenset(
    {
        "constitution-attribute-keyword",
        "constitution-attribute-required",
        "constitution-attribute-value",
        "constitution-principle-id-twice",
        "constitution-rule-id-twice",
        "constitution-unknown-attribute",
        "constitution-unknown-principle",
        "constitution-when-not-bool",
    }
)
"""Form, YAML and expressions have faults of their own; see their parts."""


class ConstitutionRefused(Exception):
    """The document is not a sound constitution; the message says why."""
