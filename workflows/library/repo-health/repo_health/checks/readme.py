"""Whether a newcomer finds out what this is, how to use it, and where to report a hole."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

from ..context import Context
from ..findings import Finding
from ..text import lines_of, plural, show
from .form import Check, Outcome

NAMES = tuple(
    f"{folder}readme{suffix}"
    for folder in ("", ".github/", "docs/")
    for suffix in (".md", ".rst", ".adoc", ".txt", ".markdown", ".org", "")
)
SECURITY = tuple(
    f"{folder}security{suffix}"
    for folder in ("", ".github/", "docs/", ".gitlab/")
    for suffix in (".md", ".rst", ".txt", ".adoc")
)
SECURITY_TEXT = ("security.txt", ".well-known/security.txt", "security-insights.yml")
CONTRIBUTING = tuple(
    f"{folder}{name}{suffix}"
    for folder in ("", ".github/", "docs/")
    for name in ("contributing", "hacking", "developers", "development")
    for suffix in (".md", ".rst", ".txt", ".adoc", "")
)  # fmt: skip
SHORT = 300  # characters
USE = re.compile(
    r"^\s{0,3}(?:```|~~~|\.\. code|----$|\$ )|^(?:#+|=+)?\s*.*\b(?:install|usage|use|quick ?start|getting started"
    r"|run|build|develop|set ?up|how to|example)",
    re.IGNORECASE,
)
LINK = re.compile(r"!?\[[^\]\[]*\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'(][^)]*)?\)|^\s*\[[^\]\[]+\]:\s*<?(\S+?)>?\s*$")
ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//|#|mailto:)", re.IGNORECASE)


def run(context: Context) -> Outcome:
    """Judges the README, then looks for the two documents that outsiders need."""
    path = context.find(*NAMES)
    findings: list[Finding] = []
    if path is None:
        findings.append(
            Finding(
                "readme",
                "no-readme",
                "high",
                "No README at the root, in docs/ or in .github/",
                "Write README.md: what it is, how to run it, how to test it, whom to ask.",
                key="all",
            )
        )
    else:
        findings.extend(judge(context, path))
    if context.find(*SECURITY, *SECURITY_TEXT) is None:
        findings.append(
            Finding(
                "readme",
                "no-security-policy",
                "low",
                "No SECURITY.md: whoever finds a hole does not know whom to tell in private",
                "Add SECURITY.md with an address and what to expect.",
                key="all",
            )
        )
    if context.find(*CONTRIBUTING) is None and not re.search(
        r"contribut|develop", context.text(path or "") or "", re.IGNORECASE
    ):
        findings.append(
            Finding(
                "readme",
                "no-contributing",
                "low",
                "Nothing says how to contribute: how to set up, test and propose a change",
                "Add CONTRIBUTING.md; ten lines are enough.",
                key="all",
            )
        )
    return Outcome(findings, [f"{path} read, its links followed inside the repository" if path else "no README"])


def judge(context: Context, path: str) -> Iterator[Finding]:
    """What the README lacks."""
    text = context.text(path) or ""
    if len(text.strip()) < SHORT:
        yield Finding(
            "readme",
            "short-readme",
            "medium",
            f"The README has {plural(len(text.strip()), 'character')}, too few to tell what this is and how to run it",
            "Say what it is, how to run it, how to test it, whom to ask.",
            path,
        )
    elif not any(USE.search(line) for line in lines_of(text)):
        yield Finding(
            "readme",
            "no-usage",
            "low",
            "The README shows no command and no section about installing, running or using",
            "Show the shortest way from a clone to something that works.",
            path,
        )
    if path.lower().endswith((".md", ".markdown")):
        yield from broken_links(context, path, text)


def broken_links(context: Context, path: str, text: str) -> Iterator[Finding]:
    """Links to files that HEAD does not have; addresses and code blocks are left alone."""
    fenced = False
    for number, line in enumerate(lines_of(text), 1):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if fenced:
            continue
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            target = match[1] or match[2]
            if ADDRESS.match(target) or "{" in target:
                continue
            name = unquote(target.partition("#")[0].partition("?")[0])
            base = "" if name.startswith("/") else posixpath.dirname(path)
            end = posixpath.normpath(posixpath.join(base, name.lstrip("/")))
            outside = end.startswith("../")  # such as ../../issues on GitHub
            if name and end != "." and not outside and end not in context.by_path and end not in context.folders:
                yield Finding(
                    "readme",
                    "broken-link",
                    "low",
                    f"The link to {show(target, 120)} leads to nothing in the repository",
                    "Mend the path, or commit the file.",
                    path,
                    number,
                    key=f"{path}\0{target}",
                )


CHECK = Check(
    id="readme",
    title="README and policies",
    weight=6,
    why="People judge, use and help a repository by what its first page tells them.",
    run=run,
)
