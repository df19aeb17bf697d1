"""What makes a clone heavy and cannot be reviewed: large files, now or in history, executables, build products."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from ..context import Context
from ..facts import FileFact
from ..findings import Finding, Severity
from ..languages import TEST
from ..text import decode_path, human_bytes, plural, show
from ..tree import FILE
from .form import Check, Outcome, places

MIB = 1 << 20
BINARY_SIZES: tuple[tuple[int, Severity], ...] = ((50 * MIB, "high"), (10 * MIB, "medium"), (1 * MIB, "low"))
TEXT_SIZES: tuple[tuple[int, Severity], ...] = ((50 * MIB, "medium"), (10 * MIB, "low"))
HISTORY_SIZES: tuple[tuple[int, Severity], ...] = ((50 * MIB, "medium"), (5 * MIB, "low"))
SHOWN_IN_HISTORY = 10
PROBED = 1 * MIB  # bytes; executables above are found by size anyway
EXECUTABLE_NAMES = re.compile(
    r"\.(?:exe|dll|so(?:\.\d+)*|dylib|a|lib|o|obj|class|jar|war|ear|pyc|pyo|pyd|wasm|apk|ipa|aab|dex|msi|deb|rpm"
    r"|node|beam|whl|egg|gem|nupkg)$",
    re.IGNORECASE,
)
MAGIC = (
    (b"\x7fELF", "an ELF program"),
    (b"\xfe\xed\xfa\xce", "a Mach-O program"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O program"),
    (b"\xce\xfa\xed\xfe", "a Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "a Java class or Mach-O program"),
    (b"\0asm", "a WebAssembly module"),
    (b"!<arch>\n", "a static library"),
    (b"dex\n", "an Android program"),
)
WRAPPERS = re.compile(r"(?:^|/)(?:gradle/wrapper/gradle-wrapper|\.mvn/wrapper/maven-wrapper)\.jar$")
BUILT = re.compile(
    r"(?:^|/)(node_modules|bower_components|__pycache__|\.venv|venv/lib|\.tox|\.nox|\.eggs|\.gradle|\.terraform"
    r"|\.next|\.nuxt|target/(?:debug|release|classes)"
    r"|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.idea|\.vs|bin/(?:Debug|Release)|obj/(?:Debug|Release)|htmlcov"
    r"|coverage/lcov-report)/"
)


def run(context: Context) -> Outcome:
    """Sizes in HEAD, executables, build folders, then large blobs of history."""
    files = [file for file in context.facts.files if file.kind == FILE]
    packed, past = history_blobs(context, {file.oid for file in files})
    findings = [*large(files), *executables(context, files), *built(files), *large_in_history(past)]
    total = human_bytes(sum(file.size for file in files))
    notes = [
        f"{total} in {plural(len(files), 'file')} of HEAD, {human_bytes(packed)} of packed history",
        f"{plural(len(past), 'older or removed version')} of {human_bytes(HISTORY_SIZES[-1][0])} or more in history",
    ]
    return Outcome(findings, notes)


def severity_for(size: int, table: tuple[tuple[int, Severity], ...]) -> Severity | None:
    """The severity of the first size reached."""
    return next((severity for limit, severity in table if size >= limit), None)


def large(files: list[FileFact]) -> Iterator[Finding]:
    """Large files of HEAD; GitHub warns at 50 MiB and refuses 100 MiB."""
    for file in files:
        text = file.is_text
        severity = severity_for(file.size, TEXT_SIZES if text else BINARY_SIZES)
        if severity:
            what = "A text file" if text else "A binary file" if file.binary else "A file"
            yield Finding(
                "binaries",
                "large-file",
                severity,
                f"{what} of {human_bytes(file.size)}; each change to it stays in every clone for good",
                "Keep it in Git LFS, a package registry or an object store, and fetch it when it is needed.",
                file.path,
            )


def executables(context: Context, files: list[FileFact]) -> Iterator[Finding]:
    """Programs without source: by name, and binary files by their first bytes."""
    suspects: dict[str, list[FileFact]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for file in files:
        if file.binary and file.size <= PROBED and not EXECUTABLE_NAMES.search(file.path):
            suspects[file.oid].append(file)
    for oid, content in context.git.blobs(suspects):
        if kind := kind_of(content):
            kinds.update({file.path: kind for file in suspects[oid]})
    for file in files:
        named = file.binary and EXECUTABLE_NAMES.search(file.path)
        kind = kinds.get(file.path) or (f"a built {named[0].lstrip('.')} file" if named else "")
        if not kind or BUILT.search(file.path):
            continue
        wrapper = WRAPPERS.search(file.path)
        yield Finding(
            "binaries",
            "executable",
            "info" if wrapper else "low" if file.role == TEST else "medium",
            f"This is {kind}; nobody can review what it does"
            + (" (the build tool's own wrapper, which its distributionSha256Sum can pin)" if wrapper else ""),
            "Build it from source in CI, or fetch it from a registry by its digest.",
            file.path,
        )


def kind_of(content: bytes) -> str:
    """What kind of program the bytes are, or ""."""
    if content[:2] == b"MZ" and b"PE\0\0" in content[:1024]:
        return "a Windows program"
    return next((kind for magic, kind in MAGIC if content.startswith(magic)), "")


def built(files: list[FileFact]) -> Iterator[Finding]:
    """Folders that tools make and can make again; one finding for each folder."""
    groups: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if match := BUILT.search(file.path):
            groups[file.path[: match.end(1)]].append(file.path)
    for folder, paths in groups.items():
        yield Finding(
            "binaries",
            "built-folder",
            "medium",
            f"{show(folder, 100)}/ is made by a tool ({plural(len(paths), 'file')} committed)",
            "Remove it with `git rm -r --cached` and name it in .gitignore.",
            paths[0],
            key=folder,
        )


def history_blobs(context: Context, current: set[str]) -> tuple[int, list[tuple[int, str, str]]]:
    """(bytes of all packed objects, large blobs that HEAD does not hold as (size, id, a path), largest first)."""
    packed = 0
    sizes: dict[str, int] = {}
    form = "--batch-check=%(objecttype) %(objectname) %(objectsize) %(objectsize:disk)"
    with context.git.stream("cat-file", form, "--batch-all-objects", "--unordered", "--buffer") as output:
        for line in output:
            kind, oid, size, on_disk = line.decode("ascii").split()
            packed += int(on_disk)
            if kind == "blob" and int(size) >= HISTORY_SIZES[-1][0] and oid not in current:
                sizes[oid] = int(size)
    if not sizes:
        return packed, []
    paths: dict[str, str] = {}
    with context.git.stream("rev-list", "--objects", "--all") as output:
        for line in output:
            oid_bytes, _, path = line.rstrip(b"\n").partition(b" ")
            if (oid := oid_bytes.decode("ascii")) in sizes and path:
                paths.setdefault(oid, decode_path(path))
    return packed, sorted(((size, oid, paths.get(oid, "")) for oid, size in sizes.items()), reverse=True)


def large_in_history(past: list[tuple[int, str, str]]) -> Iterator[Finding]:
    """The largest blobs that only history holds; every clone still fetches them."""
    for size, oid, path in past[:SHOWN_IN_HISTORY]:
        yield Finding(
            "binaries",
            "large-in-history",
            severity_for(size, HISTORY_SIZES) or "low",
            f"{human_bytes(size)} in history that HEAD no longer has, once at {show(path, 120) or 'an unknown path'}",
            "If clones are slow, remove it with `git filter-repo --strip-blobs-bigger-than`; every clone must follow.",
            key=oid,
        )
    if len(past) > SHOWN_IN_HISTORY:
        rest = past[SHOWN_IN_HISTORY:]
        yield Finding(
            "binaries",
            "large-in-history",
            "info",
            f"{len(rest):,} more large blobs in history, {human_bytes(sum(size for size, _, _ in rest))} together: "
            f"{places(path for _, _, path in rest)}",
            "See above.",
            key="rest",
        )


CHECK = Check(
    id="binaries",
    title="Large and built files",
    weight=5,
    why="Git keeps every version of every file for ever, and nobody can review a program that has no source.",
    run=run,
)
