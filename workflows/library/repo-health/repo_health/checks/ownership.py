"""Whether each file has somebody who answers for it, as CODEOWNERS tells."""

from __future__ import annotations

from collections.abc import Iterator

from ..codeowners import PLACES, Rule, parse, winners
from ..context import Context
from ..findings import Finding
from ..languages import VENDORED
from ..text import plural, show
from .form import Check, Outcome, places

OTHER = (
    "OWNERS",
    "MAINTAINERS",
    "MAINTAINERS.md",
    "MAINTAINERS.txt",
    "docs/MAINTAINERS.md",
    ".github/MAINTAINERS.md",
    "OWNERS.md",
)
LIMIT = 3 << 20  # bytes; GitHub ignores a larger file
UNOWNED = 0.2  # share of files without owner above which it is a finding


def run(context: Context) -> Outcome:
    """Finds CODEOWNERS and holds it against the files of HEAD."""
    present = [path for path in PLACES if path in context.by_path]
    if not present:
        other = context.find(*OTHER)
        if other:
            return Outcome([], [f"{other} names who answers; there is no CODEOWNERS that a host would ask for review"])
        team = len(context.facts.window_authors) > 1
        missing = Finding(
            "ownership",
            "no-owners",
            "medium" if team else "low",
            "No CODEOWNERS, OWNERS or MAINTAINERS: nobody is named to answer for a change",
            "Add .github/CODEOWNERS with a line `* @owner`, then one for each part with owners of its own.",
            key="all",
        )
        return Outcome(
            [missing], ["looked for CODEOWNERS where GitHub, GitLab, Gitea and Forgejo do, OWNERS, MAINTAINERS"]
        )
    path = present[0]
    findings = [*placing(present), *judge(context, path)]
    return Outcome(findings, [f"{path} read against {plural(len(context.facts.files), 'path')}"])


def placing(present: list[str]) -> Iterator[Finding]:
    """A host reads one file; the others only look as if they counted."""
    if len(present) > 1:
        yield Finding(
            "ownership",
            "several-codeowners",
            "low",
            f"Several CODEOWNERS: {places(present)}; a host reads only the first it knows",
            "Keep one.",
            present[1],
        )


def judge(context: Context, path: str) -> Iterator[Finding]:
    """Lines that do nothing, and files that nobody owns."""
    if context.by_path[path].size > LIMIT:
        yield Finding(
            "ownership", "codeowners-too-large", "high", "Larger than 3 MB, so GitHub ignores it", "Shorten it.", path
        )
        return
    rules = parse(context.text(path) or "")
    if not rules:
        yield Finding("ownership", "empty-codeowners", "medium", "CODEOWNERS names nobody", "Add `* @owner`.", path)
        return
    files = [file.path for file in context.facts.files if file.role != VENDORED]
    deciding: set[Rule] = set()
    unowned = []
    for file in files:
        decided = winners(rules, file)
        deciding.update(decided)
        if not any(rule.owners for rule in decided):
            unowned.append(file)
    yield from useless_lines(path, rules, deciding, files)
    if files and len(unowned) / len(files) > UNOWNED:
        yield Finding(
            "ownership",
            "unowned-files",
            "low",
            f"{plural(len(unowned), 'file')} of {len(files):,} have no owner: {places(unowned)}",
            "Add a first line `* @owner` as the answer for everything else.",
            path,
            key="unowned",
        )


def useless_lines(path: str, rules: list[Rule], deciding: set[Rule], files: list[str]) -> Iterator[Finding]:
    """Owners that cannot be any, patterns without files, lines that a later line takes everything from."""
    for rule in rules:
        if rule.wrong:
            yield Finding(
                "ownership",
                "not-an-owner",
                "medium",
                f"{show(rule.wrong[0], 60)} is no @user, @org/team or address; GitHub then ignores the whole line",
                "Write @user, @org/team or an e-mail address.",
                path,
                rule.line,
                key=f"{path}\0{rule.pattern}",
            )
        if rule in deciding:
            continue
        if not any(rule.matches(file) for file in files):
            yield Finding(
                "ownership",
                "pattern-without-file",
                "low",
                f"{show(rule.pattern, 80)} matches no file",
                "Mend the path or remove the line.",
                path,
                rule.line,
                key=f"{path}\0{rule.pattern}",
            )
        else:
            yield Finding(
                "ownership",
                "overridden-line",
                "medium",
                f"{show(rule.pattern, 80)} never decides: later lines match all its files, and the last match wins",
                "Put general patterns first and special ones last.",
                path,
                rule.line,
                key=f"{path}\0{rule.pattern}",
            )


CHECK = Check(
    id="ownership",
    title="Ownership",
    weight=5,
    why="A change to a file that nobody owns is reviewed by whoever is around.",
    run=run,
)
