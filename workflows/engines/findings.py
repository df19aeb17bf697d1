"""What an examination tells people: each thing that was looked at, how it is, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import UNSET

from somagent.workflows.identity import IdentityRefused, read_trust


class Finding(NamedTuple):
    """One thing that was looked at."""

    about: str
    state: Literal["good", "note", "broken"]
    said: str
    way_out: str = ""


def identity(directory: Path) -> Finding:
    """Who is believed to be who, by the data directory."""
    try:
        trust = read_trust(directory)
    except IdentityRefused as refused:
        return Finding("identity", "broken", str(refused), "until then nobody can start, decide or cancel anything")
    if trust is None:
        return Finding("identity", "good", "people are who they say they are: there is no folder `identity`")
    tokens, groups = trust.spec.tokens, len(trust.spec.groups)
    known = "the account of the system" if tokens is UNSET else f"tokens of {tokens.issuer}"
    return Finding("identity", "good", f"people are known by {known}; {groups} group{'s' * (groups != 1)} here")
