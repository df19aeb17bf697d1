"""Findings as SARIF 2.1.0, the form that code scanning pages and editors read (OASIS standard, 27 March 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "none"}
SECURITY = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0", "info": "0.0"}  # GitHub's scale, 0 to 10


def document(findings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The SARIF log of one run. A finding without file is about the repository and gets no location."""
    listed = list(findings)
    rules = {rule_of(finding): finding for finding in listed}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "repo-health",
                        "rules": [
                            {
                                "id": rule,
                                "help": {"text": finding["help"]},
                                "properties": {"security-severity": SECURITY[finding["severity"]]},
                            }
                            for rule, finding in sorted(rules.items())
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [result(finding) for finding in listed],
            }
        ],
    }


def rule_of(finding: Mapping[str, Any]) -> str:
    """`CHECK.RULE`, which is the finding's id without its last part."""
    return str(finding["id"]).rpartition(".")[0]


def result(finding: Mapping[str, Any]) -> dict[str, Any]:
    """One result; the finding's id is its fingerprint, so a page tells new ones from known ones."""
    entry: dict[str, Any] = {
        "ruleId": rule_of(finding),
        "level": LEVELS[finding["severity"]],
        "message": {"text": finding["message"]},
        "partialFingerprints": {"repoHealthId/v1": finding["id"]},
    }
    if "file" in finding:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding["file"])}}
        if "line" in finding:
            place["region"] = {"startLine": finding["line"]}
        entry["locations"] = [{"physicalLocation": place}]
    return entry
