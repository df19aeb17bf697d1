"""Files that are both large and often changed: where the next fault most likely is, and where tidying pays.

Churn times size predicts faults better than either alone (Nagappan and Ball, "Use of relative code churn measures to
predict system defect density", ICSE 2005; Tornhill, "Your Code as a Crime Scene", 2015).
"""

from __future__ import annotations

from ..context import Context
from ..facts import FileFact
from ..findings import Finding, Severity
from ..languages import CODE, CODE_LANGUAGES
from ..text import plural
from .form import Check, Outcome, nothing

COMMITS, LINES = 8, 300  # at least, for a file to be a hot spot
SEVERE_COMMITS, SEVERE_LINES = 25, 800
SHOWN = 8


def run(context: Context) -> Outcome:
    """Ranks code by commits x lines within the churn window."""
    facts = context.facts
    code = [f for f in facts.files if f.is_text and f.role == CODE and f.language in CODE_LANGUAGES]
    if not code:
        return nothing("no code here")
    changes = sum(file.commits for file in code) or 1
    ranked = sorted((file for file in code if is_hot(file)), key=lambda f: (-heat(f), f.path))
    findings = [
        Finding(
            "hotspots",
            "hot-spot",
            severity_of(file),
            f"{file.commits} commits by {plural(file.authors, 'author')} in a year x {file.lines:,} lines "
            f"= {heat(file):,}; {file.commits / changes:.0%} of all changes to code",
            "Split it along the reasons for which it changes, and put tests around it first.",
            file.path,
        )
        for file in ranked[:SHOWN]
    ]
    hottest = max(code, key=lambda f: (heat(f), f.path))
    notes = [
        f"{plural(len(code), 'code file')}, {plural(len(ranked), 'hot spot')}",
        f"a hot spot has {LINES} lines or more and {COMMITS} commits or more in its last {facts.window_days} days",
    ]
    if heat(hottest):
        notes.append(
            f"hottest: {hottest.path}, {hottest.commits} commits x {hottest.lines:,} lines = {heat(hottest):,}"
        )
    return Outcome(findings, notes)


def heat(file: FileFact) -> int:
    """Commits within the window times lines now."""
    return file.commits * (file.lines or 0)


def is_hot(file: FileFact) -> bool:
    """Both large and often changed."""
    return file.commits >= COMMITS and (file.lines or 0) >= LINES


def severity_of(file: FileFact) -> Severity:
    """Medium when both are extreme."""
    return "medium" if file.commits >= SEVERE_COMMITS and (file.lines or 0) >= SEVERE_LINES else "low"


CHECK = Check(
    id="hotspots",
    title="Hot spots",
    weight=3,
    why="A small part of the files gets most of the changes; when those are large too, faults gather there.",
    run=run,
)
