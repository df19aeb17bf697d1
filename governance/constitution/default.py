"""The constitution that governs when an installation has none of its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from somagent.governance.constitution.constitution import Constitution
from somagent.governance.constitution.faults import ConstitutionRefused
from somagent.governance.constitution.loading import load_constitution

FILE = Path(__file__).with_name("default.yaml")


@cache
def default_constitution() -> Constitution:
    """Lets every step run, notes scripts and foreign operators, and denies every policy input."""
    from somagent.governance.documents import decode_source  # noqa: PLC0415 - 13 ms, and plans bring no YAML

    source, diagnostics = decode_source(FILE.name, FILE.read_bytes())
    constitution, found = load_constitution(source)
    if constitution is None:
        raise ConstitutionRefused("; ".join(mistake.message for mistake in (*diagnostics, *found)))
    return constitution
