"""CODEOWNERS files of GitHub and GitLab: patterns, owners, and which files fall to whom.

Both hosts read gitignore-like patterns without `!`, `[ ]` ranges and escapes; the last matching line wins (in GitLab,
the last of each section).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
        """Whether the pattern covers the path."""
        return bool(_regex(self.pattern).match(path))


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
def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression over whole paths."""
    body = pattern.strip("/")
    anchored = pattern.startswith("/") or "/" in pattern.rstrip("/")
    parts = []
    index = 0
    while index < len(body):
        if body.startswith("**/", index):
            parts.append("(?:.*/)?")
            index += 3
        elif body.startswith("**", index):
            parts.append(".*")
            index += 2
        elif body[index] in "*?":
            parts.append("[^/]*" if body[index] == "*" else "[^/]")
            index += 1
        else:
            parts.append(re.escape(body[index]))
            index += 1
    # `docs/*` stops at one level, everything else also covers what lies below
    below = "" if body.endswith("/*") else "/.+" if pattern.endswith("/") else "(?:/.*)?"
    return re.compile(("" if anchored else "(?:.*/)?") + "".join(parts) + below + r"\Z", re.DOTALL)
