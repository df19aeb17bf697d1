"""Step 4: one number out of all findings, by a formula that fits one line and is shown in the report.

    points of a check = weight x 0^critical x 0.25^high x max(0.25, 0.7^medium) x max(0.5, 0.9^low)
    score = 100 x (sum of points) / (sum of weights), over the checks that apply; at most 49 with a critical finding

So one grave finding costs more than many small ones, small ones alone never ruin a check, and what a repository has no
use for (workflows, dependencies, ...) neither helps nor harms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import contract
from .checks.secrets import LEAKED
from .findings import SEVERITIES, Finding

HIGH, MEDIUM, LOW = 0.25, 0.7, 0.9  # what one finding leaves of a check's points
MEDIUM_FLOOR, LOW_FLOOR = 0.25, 0.5  # what all of them together leave at least
CRITICAL_CAP = 49
GRADES = ((90, "A"), (80, "B"), (70, "C"), (60, "D"), (0, "F"))
FORMULA = (
    "points = weight × 0^critical × 0.25^high × max(0.25, 0.7^medium) × max(0.5, 0.9^low)",
    "score = 100 × sum of points ÷ sum of weights, over the checks that apply; at most 49 with a critical finding",
)


def share(counts: Mapping[str, int]) -> float:
    """What findings leave of a check's points, 0 to 1."""
    if counts["critical"]:
        return 0.0
    return HIGH ** counts["high"] * max(MEDIUM_FLOOR, MEDIUM ** counts["medium"]) * max(LOW_FLOOR, LOW ** counts["low"])


def table(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a check: weight, points (to a hundredth), counts."""
    return [
        {
            "check": result["check"],
            "title": result["title"],
            "applies": result["applies"],
            "weight": result["weight"],
            "points": round(result["weight"] * share(result["counts"]), 2) if result["applies"] else 0,
            "counts": result["counts"],
        }
        for result in results
    ]


def score_of(results: Sequence[Mapping[str, Any]]) -> int:
    """The score, 0 to 100; 0 when nothing could be judged. Halves are rounded up."""
    judged = [result for result in results if result["applies"]]
    weights: int = sum(result["weight"] for result in judged)
    if not weights:
        return 0
    points: float = sum(result["weight"] * share(result["counts"]) for result in judged)
    score = math.floor(100 * points / weights + 0.5)
    return min(score, CRITICAL_CAP) if any(result["counts"]["critical"] for result in judged) else score


def grade_of(score: int) -> str:
    """A from 90, B from 80, C from 70, D from 60, else F."""
    return next(grade for limit, grade in GRADES if score >= limit)


def no_commit(inventory: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The one finding about a repository whose HEAD has no commit."""
    if inventory["head"]:
        return []
    others = f"; it has {inventory['refs']} other branches and tags" if inventory["refs"] else ""
    finding = Finding(
        "repository",
        "no-commit",
        "high",
        f"HEAD has no commit{others}, so nothing could be judged",
        "Commit something, or point HEAD to the branch that has it: `git symbolic-ref HEAD refs/heads/BRANCH`.",
        key="all",
    )
    return [finding.shown()]


def summary(results: Sequence[Mapping[str, Any]], inventory: Mapping[str, Any]) -> dict[str, Any]:
    """The step's outputs."""
    score = score_of(results)
    secrets = next((result["counts"] for result in results if result["check"] == "secrets"), None)
    findings = [*no_commit(inventory), *(finding for result in results for finding in result["findings"])]
    return {
        "score": score,
        "grade": grade_of(score),
        "leaked_secrets": sum(secrets[severity] for severity in LEAKED) if secrets else 0,
        "accepted_secrets": secrets["waived"] if secrets else 0,
        "critical": sum(result["counts"]["critical"] for result in results),
        "table": table(results),
        "findings": sorted(findings, key=lambda finding: SEVERITIES.index(finding["severity"])),
    }


def main() -> None:
    """RESULTS (the checks' outputs), INVENTORY -> score, grade, counts for the constitution, table, all findings."""

    def program(_home: Path) -> None:
        contract.answer(**summary(contract.value("RESULTS"), contract.value("INVENTORY")))

    contract.step(program)


if __name__ == "__main__":
    main()
