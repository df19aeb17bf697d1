"""JavaScript and TypeScript: package.json and the lock files of npm, Yarn, pnpm and Bun."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import manifests
from ..context import Context
from ..facts import FileFact
from ..findings import Finding
from ..languages import TEST, VENDORED, is_example
from ..text import lines_of, show
from .python import unreadable

LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb")
GROUPS = ("dependencies", "devDependencies", "optionalDependencies")
ANY_VERSION = re.compile(r"^(?:\*|x|latest|next|>=?\s*[\d.]+|)$")
FROM_REPOSITORY = re.compile(r"^(?:git\+|git:|github:|gitlab:|bitbucket:|https?://|[\w.-]+/[\w.-]+(?:#|$))")
FIXED_REPOSITORY = re.compile(r"#[0-9a-f]{40}$|\.tgz$|\.tar\.gz$")


def find(context: Context) -> Iterator[Finding]:
    """Versions that mean anything, missing locks, and locks that no longer fit."""
    for file in context.facts.files:
        if file.path.rpartition("/")[2] != "package.json" or file.role in (VENDORED, TEST) or is_example(file.path):
            continue
        text = context.text(file.path) or ""
        try:
            package = manifests.parse(file.path, text)
        except manifests.Unreadable as fault:
            yield unreadable(file, fault)
            continue
        wanted = wanted_versions(package)
        if wanted:
            yield from loose_versions(file, text, wanted)
            yield from lock(context, file, package)


def wanted_versions(package: dict[str, Any]) -> dict[str, str]:
    """Name to version range, over all groups of dependencies."""
    return {name: str(version) for group in GROUPS for name, version in manifests.table(package, group).items()}


def loose_versions(file: FileFact, text: str, wanted: dict[str, str]) -> Iterator[Finding]:
    """Ranges that accept any version, and repository addresses without a commit."""
    lines = lines_of(text)
    for name, version in wanted.items():
        moving = FROM_REPOSITORY.match(version) and not FIXED_REPOSITORY.search(version)
        if not moving and not ANY_VERSION.match(version.strip()):
            continue
        line = next((number for number, line in enumerate(lines, 1) if f'"{name}"' in line and ":" in line), None)
        yield Finding(
            "dependencies",
            "moving-source" if moving else "any-version",
            "medium",
            f"{show(name, 60)} is wanted as {show(version, 60)!r}, which is another package tomorrow",
            "Name a version range, and for a repository the whole commit id.",
            file.path,
            line,
            key=f"{file.path}\0{name}",
        )


def lock(context: Context, file: FileFact, package: dict[str, Any]) -> Iterator[Finding]:
    """The lock beside the package or above it: present, alone, and about the same dependencies."""
    folder = file.path.rpartition("/")[0]
    present = [name for name in LOCKS if (f"{folder}/{name}" if folder else name) in context.by_path]
    if not present and not any(context.has_above(folder, name) for name in LOCKS):
        application = package.get("private") is True or "start" in manifests.table(package, "scripts")
        yield Finding(
            "dependencies",
            "no-lock",
            "medium" if application else "low",
            "package.json names dependencies, and no lock file fixes them",
            "Commit the lock file that your package manager writes, and install with it (`npm ci`).",
            file.path,
        )
    managers = {name for name in present if name not in ("npm-shrinkwrap.json", "bun.lockb")}
    if len(managers) > 1:
        yield Finding(
            "dependencies",
            "two-locks",
            "low",
            f"Two lock files, {' and '.join(sorted(managers))}: which one is true depends on the tool that is used",
            "Keep the one of the package manager you use.",
            file.path,
            key=f"{file.path}\0locks",
        )
    if "package-lock.json" in present:
        yield from stale_lock(context, f"{folder}/package-lock.json".lstrip("/"), package)


def stale_lock(context: Context, path: str, package: dict[str, Any]) -> Iterator[Finding]:
    """A lock of npm repeats what package.json asked for when it was written (lock format 2 and newer)."""
    try:
        packages = manifests.table(manifests.parse(path, context.text(path) or ""), "packages")
    except manifests.Unreadable:
        return
    if "" not in packages:
        return
    root = manifests.table(packages, "")
    differing = sorted(set(wanted_versions(package).items()) ^ set(wanted_versions(root).items()))
    if differing:
        yield Finding(
            "dependencies",
            "stale-lock",
            "medium",
            f"The lock file is older than package.json: they differ on {show(differing[0][0], 60)}"
            + (
                f" and {len({name for name, _ in differing}) - 1} more"
                if len({name for name, _ in differing}) > 1
                else ""
            ),
            "Run `npm install --package-lock-only` and commit the result; `npm ci` refuses it as it is.",
            path,
        )
