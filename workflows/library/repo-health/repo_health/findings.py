"""A finding: one thing that somebody should do, where, and why.

Its id stays the same while the repository's other lines move, so a team can accept it by name: a line `ID reason` in
the committed file `.repo-health-allow` turns it into information that costs no points. The id is made from check, rule,
file and a discriminator of the check's choosing, never from a secret.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .text import show

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
ALLOW_FILE = ".repo-health-allow"
SHOWN = 40  # findings of one check that travel on; all are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `file` and `line` are those of HEAD, or of `commit` where the message says that HEAD lacks it."""

    check: str
    rule: str
    severity: Severity
    message: str
    help: str
    file: str | None = None
    line: int | None = None  # from 1
    commit: str | None = None
    key: str = ""  # what the id is made from, when the file alone does not tell
    waived: bool = False

    @property
    def id(self) -> str:
        """`CHECK.RULE.XXXXXXXX`."""
        place = (self.key or self.file or "").encode("utf-8", "surrogateescape")
        return f"{self.check}.{self.rule}.{hashlib.sha256(place).hexdigest()[:8]}"

    def shown(self) -> dict[str, Any]:
        """The type `Finding` of the capsule: optional fields are left out."""
        optional = {"file": show(self.file, 500) if self.file else None, "line": self.line, "commit": self.commit}
        return {
            "id": self.id,
            "check": self.check,
            "severity": self.severity,
            "message": show(self.message),
            "help": show(self.help),
            **{name: value for name, value in optional.items() if value is not None},
        }


def parse_allowed(text: str) -> dict[str, str]:
    """`.repo-health-allow`: id to reason. Lines without a reason count for nothing; `#` starts a comment."""
    allowed = {}
    for line in text.splitlines():
        identifier, _, reason = line.strip().partition(" ")
        if identifier and not identifier.startswith("#") and reason.strip():
            allowed[identifier] = reason.strip()
    return allowed


def accept(findings: Iterable[Finding], allowed: Mapping[str, str]) -> list[Finding]:
    """Findings sorted by severity and place, the allowed ones turned into information."""
    judged = []
    for finding in findings:
        if (reason := allowed.get(finding.id)) and finding.severity != "info":
            message = f"Accepted ({show(reason, 120)}): {finding.message}"
            judged.append(replace(finding, severity="info", message=message, waived=True))
        else:
            judged.append(finding)
    return sorted(judged, key=lambda f: (SEVERITIES.index(f.severity), f.file or "", f.line or 0, f.rule, f.key))


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each severity, and how many were accepted."""
    tally = Counter(finding.severity for finding in findings)
    return {**{severity: tally[severity] for severity in SEVERITIES}, "waived": sum(f.waived for f in findings)}
