"""CODEOWNERS files of GitHub and GitLab: patterns, owners, and which files fall to whom.

Both hosts read gitignore-like patterns without `!`, `[ ]` ranges and escapes; the last matching line wins (in GitLab,
the last of each section).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache

PLACES = (
    ".github/CODEOWNERS",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    ".gitlab/CODEOWNERS",
    ".gitea/CODEOWNERS",
    ".forgejo/CODEOWNERS",
)
OWNER = re.compile(r"@[A-Za-z0-9](?:[\w.-]*[\w])?(?:/[\w.-]+)*|@@\w+|[^@\s]+@[^@\s]+\.[^@\s]+")
SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?\s*(?P<owners>.*)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. No owner means: on purpose nobody's."""

    line: int
    section: str
    pattern: str
    owners: tuple[str, ...]
    wrong: tuple[str, ...]  # what stands where an owner should and is none

    def matches(self, path: str) -> bool:
        """Whether the pattern covers the path; the work is bounded by segments of the pattern x of the path."""
        segments, anchored, below = _taken_apart(self.pattern)
        parts = path.split("/")
        reached = {0} if anchored else set(range(len(parts)))  # how many parts of the path may be used up
        for index, segment in enumerate(segments):
            if segment is None:
                last = index == len(segments) - 1  # at the end, `**` needs something to match
                reached = set(range(min(reached) + last, len(parts) + 1))
            else:
                reached = {at + 1 for at in reached if at < len(parts) and segment.match(parts[at])}
            if not reached:
                return False
        return (below != "something" and len(parts) in reached) or (below != "nothing" and min(reached) < len(parts))


def parse(text: str) -> list[Rule]:
    """The rules in order; comments and empty lines left out."""
    rules = []
    section, defaults = "", ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = re.sub(r"(?:^|\s)#.*$", "", raw).strip()
        if not line:
            continue
        if match := SECTION.fullmatch(line):
            section, defaults = match["name"].casefold(), match["owners"]
            continue
        pattern, *owners = re.split(r"(?<!\\)\s+", line)
        owners = owners or defaults.split()
        good = tuple(owner for owner in owners if OWNER.fullmatch(owner))
        wrong = tuple(owner for owner in owners if not OWNER.fullmatch(owner))
        rules.append(Rule(number, section, pattern.replace("\\ ", " "), good, wrong))
    return rules


def winners(rules: list[Rule], path: str) -> list[Rule]:
    """The rule of each section that decides about the path."""
    decided = {rule.section: rule for rule in rules if rule.matches(path)}
    return list(decided.values())


@cache
def _taken_apart(pattern: str) -> tuple[tuple[re.Pattern[str] | None, ...], bool, str]:
    """(segments, `**` as None; whether it starts at the root; whether it covers what lies below its match).

    `docs/` covers something below only, `docs/*` nothing below, all else both.
    """
    names = pattern.strip("/").split("/")
    segments = tuple(None if name == "**" else re.compile(translate(name.replace("[", "[[]"))) for name in names)
    below = "nothing" if names[-1] == "*" and len(names) > 1 else "something" if pattern.endswith("/") else "both"
    return segments, "/" in pattern.rstrip("/"), below
