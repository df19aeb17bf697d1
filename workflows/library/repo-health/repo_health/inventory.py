"""Step 2: measures what is there (files, languages, people, age, churn); judges nothing.

Content of HEAD is read once, its history twice (all of it for names and dates, the churn window for lines). The window
is the year before the newest commit, so that a resting repository is measured by its working year.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from . import contract, history
from .facts import Facts, FileFact, Language
from .git import Git
from .languages import CODE, CODE_LANGUAGES, TEST, language_of, role_of, script_language
from .snapshot import FOLDER, Snapshot, instant
from .text import show
from .tree import FILE, SUBMODULE, SYMLINK, entries

DAY = 86_400  # seconds
WINDOW_DAYS = 365
READ_LIMIT = 20 << 20  # bytes; larger files are counted but not read
BINARY_PROBE = 8000  # bytes; git's own rule: a NUL among the first 8000 means binary


def measure(git: Git, snapshot: Snapshot, history_limit: int) -> Facts:
    """All facts about the snapshot's HEAD; empty ones when it has no commit."""
    facts = Facts(window_days=WINDOW_DAYS)
    if not snapshot.head:
        return facts
    facts.files = read_files(git, snapshot.head)
    read_commits(git, snapshot.head, history_limit, facts)
    read_churn(git, snapshot.head, history_limit, facts)
    return facts


def read_files(git: Git, head: str) -> list[FileFact]:
    """Every path with its kind, size, lines and language."""
    files = []
    for entry in entries(git, head):
        language = language_of(entry.path) if entry.kind == FILE else ""
        role = role_of(entry.path, language)
        files.append(
            FileFact(entry.path, entry.kind, entry.executable, entry.oid, entry.size, language=language, role=role)
        )
    readable = {file.oid for file in files if file.kind == FILE and file.size <= READ_LIMIT}
    content = {oid: (*inspect(blob), script_language(blob)) for oid, blob in git.blobs(sorted(readable))}
    for file in files:
        if file.kind == FILE and file.oid in content:
            file.lines, file.binary, script = content[file.oid]
            if script and not file.language:
                file.language, file.role = script, role_of(file.path, script)
    return files


def inspect(blob: bytes) -> tuple[int | None, bool]:
    """(lines, binary). A last line without its end counts; UTF-16 with its mark is text."""
    if blob.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = blob.decode("utf-16", "replace")
        return text.count("\n") + (bool(text) and not text.endswith("\n")), False
    if b"\0" in blob[:BINARY_PROBE]:
        return None, True
    return blob.count(b"\n") + (bool(blob) and not blob.endswith(b"\n")), False


def read_commits(git: Git, head: str, limit: int, facts: Facts) -> None:
    """Commits, authors, first and last dates, and when each file last changed."""
    authors: Counter[str] = Counter()
    names: dict[str, str] = {}
    changed: dict[str, int] = {}
    dates = []
    for commit in history.commits(git, head, limit + 1):
        if facts.commits == limit:
            facts.commits_limited = True
            break
        facts.commits += 1
        dates += [commit.authored] if commit.authored > 0 else []  # 0: the commit's own date is damaged
        authors[commit.author] += 1
        names.setdefault(commit.author, commit.name)  # the newest spelling of the name
        for path, _, _ in commit.changes:
            changed.setdefault(path, commit.committed)
    facts.authors = [(names[author], count) for author, count in authors.most_common()]
    facts.first_commit, facts.last_commit = (min(dates), max(dates)) if dates else (None, None)
    for file in facts.files:
        file.last_changed = changed.get(file.path)


def read_churn(git: Git, head: str, limit: int, facts: Facts) -> None:
    """Commits, lines and authors per file within the window."""
    newest = int(git.text("log", "-1", "--format=%ct", head) or 0)
    facts.window_since = max(newest - WINDOW_DAYS * DAY, 0)
    files = {file.path: file for file in facts.files}
    touched_by: defaultdict[str, set[str]] = defaultdict(set)
    authors: Counter[str] = Counter()
    names: dict[str, str] = {}
    for commit in history.commits_with_lines(git, head, limit, facts.window_since):
        facts.window_commits += 1
        authors[commit.author] += 1
        names.setdefault(commit.author, commit.name)
        mass = len(commit.changes) > history.MASS_CHANGE
        for path, added, deleted in commit.changes:
            facts.window_added += added
            facts.window_deleted += deleted
            if (file := files.get(path)) and not mass:
                file.commits += 1
                file.added += added
                file.deleted += deleted
                touched_by[path].add(commit.author)
    for path, people in touched_by.items():
        files[path].authors = len(people)
    facts.window_authors = [(names[author], count) for author, count in authors.most_common()]


def languages(facts: Facts) -> list[Language]:
    """Languages of the repository's own code and tests, most lines first."""
    totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for file in facts.files:
        if file.is_text and file.language in CODE_LANGUAGES and file.role in (CODE, TEST):
            for index, amount in enumerate((1, file.size, file.lines or 0)):
                totals[file.language][index] += amount
    all_lines = sum(lines for _, _, lines in totals.values()) or 1
    rows = [Language(name, n, size, lines, round(lines / all_lines, 4)) for name, (n, size, lines) in totals.items()]
    return sorted(rows, key=lambda row: (-row.lines, row.name))


def summary(snapshot: Snapshot, facts: Facts) -> dict[str, Any]:
    """The typed output `inventory`: what a person wants to know first."""
    kinds = Counter(file.kind for file in facts.files)
    now = snapshot.as_of
    return {
        **snapshot.shown(),
        "commits": facts.commits,
        "commits_limited": facts.commits_limited,
        "authors": len(facts.authors),
        "top_authors": [{"name": show(name, 80), "commits": count} for name, count in facts.authors[:10]],
        "first_commit": instant(facts.first_commit) if facts.first_commit is not None else "",
        "last_commit": instant(facts.last_commit) if facts.last_commit is not None else "",
        "age_days": max(now - facts.first_commit, 0) // DAY if facts.first_commit is not None else 0,
        "files": kinds[FILE],
        "symlinks": kinds[SYMLINK],
        "submodules": kinds[SUBMODULE],
        "binary_files": sum(file.binary for file in facts.files),
        "bytes": sum(file.size for file in facts.files if file.kind == FILE),
        "lines": sum(file.lines or 0 for file in facts.files),
        "languages": [row.shown() for row in languages(facts)[:20]],
        "churn": {
            "days": facts.window_days,
            "commits": facts.window_commits,
            "authors": len(facts.window_authors),
            "added": facts.window_added,
            "deleted": facts.window_deleted,
        },
    }


def main() -> None:
    """SNAPSHOT (folder), HISTORY_LIMIT (commits) -> `inventory`, artifact `facts/`."""

    def program(home: Path) -> None:
        folder = Path(contract.value("SNAPSHOT"))
        snapshot = Snapshot.load(folder)
        facts = measure(Git.at(folder / FOLDER, home), snapshot, int(contract.value("HISTORY_LIMIT")))
        facts.save(Path.cwd() / "facts")
        contract.answer(inventory=summary(snapshot, facts))

    contract.step(program)


if __name__ == "__main__":
    main()
