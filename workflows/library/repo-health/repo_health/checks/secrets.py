"""Credentials in the files of HEAD and in everything that any branch or tag ever added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..context import Context
from ..facts import FileFact
from ..findings import Finding, Severity
from ..languages import TEST, VENDORED, is_example, language_of, role_of
from ..secret_scan import rules
from ..secret_scan.added import Seen, added_lines
from ..secret_scan.scan import Hit, scan
from ..text import plural
from ..tree import FILE
from .form import Check, Outcome

READ_LIMIT = 5 << 20  # bytes; the same limit as for diffs
LEAKED: tuple[Severity, ...] = ("critical", "high")  # what the constitution counts as a leaked secret


@dataclass(slots=True)
class Secret:
    """One value and all its places. `head` and `added` are (path, line); `commit` is the oldest that added it."""

    hit: Hit
    head: list[tuple[str, int]] = field(default_factory=list)
    commit: str | None = None
    added: tuple[str, int] | None = None
    times: int = 0
    only_mild: bool = True  # every place is a test, an example or vendored code


def run(context: Context) -> Outcome:
    """Scans HEAD, then history; one finding for each value, however often it occurs."""
    found: dict[tuple[str, bytes], Secret] = {}
    allowed = scan_head(context, found)
    seen = Seen()
    scan_history(context, found, seen)
    for key in allowed:  # HEAD excuses the value, so its older, unmarked lines are excused too
        if key in found and not found[key].head:
            del found[key]
    files = sum(file.kind == FILE and not file.binary and file.size <= READ_LIMIT for file in context.facts.files)
    limited = " (the limit; older ones were not read)" if seen.commits >= context.history_limit else ""
    notes = [
        f"{plural(files, 'file')} of HEAD, {plural(seen.commits, 'commit')} of all branches and tags read{limited}",
        f"{len(rules.RULES)} rules",
        "values are never shown: a finding names the kind, the place and the length",
    ]
    if allowed:
        notes.append(f"{plural(len(allowed), 'value')} on lines with an allow marker left out")
    if context.snapshot.shallow:
        notes.append("the repository is shallow: history before its boundary was not there to read")
    return Outcome([finding(secret) for secret in found.values()], notes)


def scan_head(context: Context, found: dict[tuple[str, bytes], Secret]) -> set[tuple[str, bytes]]:
    """Fills `found` from the files of HEAD; returns what allow markers excused."""
    wanted: dict[str, list[FileFact]] = {}
    for file in context.facts.files:
        if file.kind == FILE and not file.binary and file.size <= READ_LIMIT:
            wanted.setdefault(file.oid, []).append(file)
    allowed = set()
    for oid, content in context.git.blobs(wanted):
        text = content.decode("utf-16", "replace").encode() if content[:2] in (b"\xff\xfe", b"\xfe\xff") else content
        for file in wanted[oid]:
            for hit in scan(text, file.path):
                if hit.allowed:
                    allowed.add((hit.rule.id, hit.same))
                    continue
                secret = found.setdefault((hit.rule.id, hit.same), Secret(hit))
                secret.head.append((file.path, hit.line))
                secret.only_mild &= is_mild(file.path)
    return allowed


def scan_history(context: Context, found: dict[tuple[str, bytes], Secret], seen: Seen) -> None:
    """Adds what history added; the stream is newest first, so the last place seen is the oldest."""
    for section in added_lines(context.git, context.history_limit, seen):
        for hit in unmarked(scan(section.text, section.path)):
            secret = found.setdefault((hit.rule.id, hit.same), Secret(hit))
            secret.commit = section.commit
            secret.added = (section.path, section.line(hit.line))
            secret.times += 1
            secret.only_mild &= is_mild(section.path)


def unmarked(hits: Iterator[Hit]) -> Iterator[Hit]:
    """Hits whose line carries no allow marker."""
    return (hit for hit in hits if not hit.allowed)


def is_mild(path: str) -> bool:
    """Places where invented credentials are normal."""
    return role_of(path, language_of(path)) in (TEST, VENDORED) or is_example(path)


def severity_of(secret: Secret) -> Severity:
    """The rule's, made milder for encrypted keys and, for lenient rules, in tests, examples and vendored code."""
    rule = secret.hit.rule
    if rule.lenient and secret.only_mild:
        return "low"
    return "medium" if secret.hit.encrypted else rule.severity


def finding(secret: Secret) -> Finding:
    """The finding for one value; its id comes from where the value first appeared, and never from the value."""
    rule, severity = secret.hit.rule, severity_of(secret)
    kind = ("encrypted " if secret.hit.encrypted else "") + rule.title
    first = Finding("secrets", rule.id, severity, "", "", commit=secret.commit)
    path, line = secret.added or secret.head[0]
    key = f"{secret.commit}\0{path}\0{line}"
    length = f"{plural(secret.hit.length, 'character')}"
    if secret.head:
        path, line = secret.head[0]
        more = f", and in {plural(len(secret.head) - 1, 'more place')}" if len(secret.head) > 1 else ""
        message = f"{kind} ({length}) in the current files{more}"
        help_text = (
            "Revoke it where it was issued, then move it to a secret store and remove the line; history keeps it, so "
            "revoking comes first. If it is no credential, end the line with the comment `repo-health: allow`."
        )
    else:
        message = f"{kind} ({length}) in history: commit {str(secret.commit)[:12]} added it, HEAD no longer has it"
        help_text = (
            "Revoke it where it was issued. Once it is dead, accept this finding by its id and a reason in "
            ".repo-health-allow; rewriting history (git filter-repo) removes it only if every clone follows."
        )
    return replace(first, message=message, help=help_text, file=path, line=line, key=key)


CHECK = Check(
    id="secrets",
    title="Secrets in files and history",
    weight=20,
    why="Everyone who ever cloned a repository has its credentials, and deleting the line does not take them back.",
    run=run,
)
