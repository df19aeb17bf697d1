"""Python: requirement files and pyproject.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import manifests
from ..context import Context
from ..facts import FileFact
from ..findings import Finding
from ..languages import TEST, VENDORED, is_example
from ..text import LINE_LIMIT, lines_of, plural, show
from ..tree import FILE

REQUIREMENTS = re.compile(r"(?:^|/)(?:requirements[^/]*|[^/]*-requirements)\.txt$|(?:^|/)requirements/[^/]+\.txt$")
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
PINNED = re.compile(
    r"(?<![<>!~])={2,3}\s*(?!.*\*)[^\s;,]+|@\s*\S+(?:[0-9a-f]{40}|#\w+=\S+|\.whl\b)|^(?:\./|\.\./|\.$|\.\[|file:)"
    r"|\.whl\b"
)
COMMIT = re.compile(r"@[0-9a-f]{40}\b")


def find(context: Context) -> Iterator[Finding]:
    """Unpinned requirements, unsafe package sources, projects without a lock."""
    files = [f for f in requirement_files(context) if f.role != VENDORED]
    pinned_folders = set()
    for file, text in context.texts(files):
        entries = list(requirements(text))
        loose = [(number, entry) for number, entry in entries if not is_pinned(entry)]
        constrained = any(line.lstrip().startswith(("-c", "--constraint")) for line in lines_of(text))
        if entries and not loose:
            pinned_folders.add(file.path.rpartition("/")[0])
        elif loose and not constrained:
            yield Finding(
                "dependencies",
                "requirement-not-pinned",
                "low" if file.role == TEST or is_example(file.path) else "medium",
                f"{len(loose)} of {plural(len(entries), 'requirement')} are not pinned to a version, the first is "
                f"{show(loose[0][1], 60)}",
                "Write the wanted packages to a .in file and compile it: `pip-compile --generate-hashes` or "
                "`uv pip compile --generate-hashes`.",
                file.path,
                loose[0][0],
            )
        yield from unsafe_sources(file, text)
    yield from projects(context, pinned_folders)


def requirement_files(context: Context) -> list[FileFact]:
    """Files that pip reads."""
    return [file for file in context.facts.files if file.kind == FILE and REQUIREMENTS.search(file.path)]


def requirements(text: str) -> Iterator[tuple[int, str]]:
    """(line, requirement) of a requirements file: comments, options and continued lines are taken care of."""
    joined, first = "", 0
    for number, line in enumerate(lines_of(text), 1):
        first = first or number
        joined += re.sub(r"(^|\s)#.*$", "", line).rstrip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        entry = joined.strip()[:LINE_LIMIT]
        if entry and (not entry.startswith("-") or entry.startswith(("-e ", "--editable "))):
            yield first, entry
        joined, first = "", 0


def is_pinned(entry: str) -> bool:
    """Whether the requirement always means the same files; a repository address needs a whole commit id."""
    entry = entry.removeprefix("-e ").removeprefix("--editable ").strip()
    if "git+" in entry:
        return bool(COMMIT.search(entry))
    return bool(PINNED.search(entry.partition(" --hash")[0]))


def unsafe_sources(file: FileFact, text: str) -> Iterator[Finding]:
    """Options by which a package can come from somebody else."""
    for number, line in enumerate(lines_of(text), 1):
        option = line.strip()
        if re.match(r"(?:-i|--index-url|--extra-index-url|--find-links|-f)[ =]+http://", option) or option.startswith(
            "--trusted-host"
        ):
            yield Finding(
                "dependencies",
                "unencrypted-index",
                "high",
                "Packages come over a connection that anybody on the way can change",
                "Use the index's https:// address and a certificate that pip can verify.",
                file.path,
                number,
            )
        elif option.startswith("--extra-index-url"):
            yield Finding(
                "dependencies",
                "extra-index",
                "low",
                "A second index: whoever registers an internal package's name at the other one gets installed",
                "Use one index that proxies the other, or pin with hashes.",
                file.path,
                number,
            )


def projects(context: Context, pinned_folders: set[str]) -> Iterator[Finding]:
    """Projects with dependencies and no lock file, neither their own nor one above them."""
    for file in context.facts.files:
        if file.path.rpartition("/")[2] != "pyproject.toml" or file.role in (VENDORED, TEST) or is_example(file.path):
            continue
        try:
            document = manifests.parse(file.path, context.text(file.path) or "")
        except manifests.Unreadable as fault:
            yield unreadable(file, fault)
            continue
        folder = file.path.rpartition("/")[0]
        locked = any(context.has_above(folder, lock) for lock in LOCKS)
        if declares_dependencies(document) and not locked and not near(folder, pinned_folders):
            yield Finding(
                "dependencies",
                "no-lock",
                "low",
                "pyproject.toml names dependencies, and no lock file or pinned requirements file fixes them",
                "Commit a lock (uv.lock, poetry.lock, pdm.lock) or compiled requirements: then each build is the same.",
                file.path,
            )


def unreadable(file: FileFact, fault: manifests.Unreadable) -> Finding:
    """The finding about a manifest that cannot be parsed."""
    return Finding(
        "dependencies",
        "unreadable-manifest",
        "medium",
        f"{file.path.rpartition('/')[2]} cannot be parsed: {fault}",
        "Mend the file; no tool can build the project as it is.",
        file.path,
        fault.line,
    )


def declares_dependencies(document: dict[str, Any]) -> bool:
    """Whether a pyproject.toml asks for packages, by PEP 621 or Poetry's table."""
    project = manifests.table(document, "project")
    poetry = manifests.table(document, "tool", "poetry", "dependencies")
    return bool(project.get("dependencies") or project.get("optional-dependencies") or poetry.keys() - {"python"})


def near(folder: str, pinned: set[str]) -> bool:
    """Whether a pinned requirements file is in the folder, right below it, or above it."""
    return any(
        other in ("", folder) or other.rpartition("/")[0] == folder or folder.startswith(f"{other}/")
        for other in pinned
    )
