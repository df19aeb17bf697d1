"""Whether anybody still works on it, on how few people it hangs, and which code nobody has touched for years."""

from __future__ import annotations

from ..context import Context
from ..findings import Finding
from ..languages import CODE, CODE_LANGUAGES
from ..text import plural
from .form import Check, Outcome, nothing, places

DAY = 86_400  # seconds
RESTING_DAYS, ABANDONED_DAYS = 365, 730
STALE_DAYS = 3 * 365
STALE_SHARE = 0.5  # of the code's lines, in a repository that is otherwise worked on
HALF = 0.5
ENOUGH_COMMITS = 20  # in the window; under that, shares of people say nothing


def run(context: Context) -> Outcome:
    """Judges dates and people; the clock is the snapshot's."""
    facts = context.facts
    if facts.last_commit is None:
        return nothing("no commit")
    idle = max(context.snapshot.as_of - facts.last_commit, 0) // DAY
    findings = []
    notes = [f"newest commit {plural(idle, 'day')} ago, {plural(len(facts.authors), 'author')} ever"]
    if idle > RESTING_DAYS:
        findings.append(
            Finding(
                "activity",
                "resting",
                "high" if idle > ABANDONED_DAYS else "medium",
                f"No commit for {plural(idle, 'day')}: faults and holes found since are not mended",
                "Archive the repository and say so in the README, or name somebody who keeps it current.",
                key="all",
            )
        )
    needed = people_for_half(facts.window_authors)
    if facts.window_commits >= ENOUGH_COMMITS:
        notes.append(f"{plural(needed, 'person', 'people')} made half of the year's {facts.window_commits:,} commits")
        if needed == 1:
            share = facts.window_authors[0][1] / facts.window_commits
            findings.append(
                Finding(
                    "activity",
                    "one-person",
                    "low",
                    f"One person made {share:.0%} of the {facts.window_commits:,} commits of the last year",
                    "Let a second person review and release; pair on the hot spots of this report.",
                    key="all",
                )
            )
    if not facts.commits_limited and not context.snapshot.shallow:
        findings.extend(stale(context, idle))
    return Outcome(findings, notes)


def people_for_half(authors: list[tuple[str, int]]) -> int:
    """The smallest number of people who made half of the commits (CHAOSS: contributor absence factor)."""
    total, reached = sum(count for _, count in authors), 0
    for number, (_, count) in enumerate(authors, 1):
        reached += count
        if reached >= total * HALF:
            return number
    return 0


def stale(context: Context, idle: int) -> list[Finding]:
    """Code that nobody touched for three years although the repository lives."""
    code = [
        f for f in context.facts.files if f.role == CODE and f.language in CODE_LANGUAGES and f.last_changed is not None
    ]
    before = context.snapshot.as_of - STALE_DAYS * DAY
    old = sorted((f for f in code if (f.last_changed or 0) < before), key=lambda f: -(f.lines or 0))
    lines, old_lines = sum(f.lines or 0 for f in code), sum(f.lines or 0 for f in old)
    if idle > RESTING_DAYS or not lines or old_lines / lines < STALE_SHARE:
        return []
    return [
        Finding(
            "activity",
            "stale-code",
            "low",
            f"{old_lines / lines:.0%} of the code ({plural(len(old), 'file')}) was last changed over three years ago: "
            f"{places(f.path for f in old)}",
            "Check that somebody still understands and needs it; remove what nothing uses.",
            old[0].path,
            key="all",
        )
    ]


CHECK = Check(
    id="activity",
    title="Activity and people",
    weight=3,
    why="Code that nobody looks after decays, and knowledge in one head leaves with it.",
    run=run,
)
