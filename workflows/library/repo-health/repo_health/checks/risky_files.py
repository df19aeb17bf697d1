"""Files that are dangerous by being there: credential stores, conflict markers, hidden direction marks, bad names."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator

from ..context import Context
from ..facts import FileFact
from ..findings import Finding, Severity
from ..languages import CODE, DATA_ROLE, TEST, VENDORED, is_example
from ..text import decode_text, lines_of, plural, show
from ..tree import FILE, SUBMODULE, SYMLINK
from .form import Check, Outcome, places

STORES: tuple[tuple[str, Severity, re.Pattern[str]], ...] = (
    ("a private key file", "high", re.compile(r"(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519)$|\.ppk$")),
    ("a key store", "high", re.compile(r"\.(?:p12|pfx|jks|keystore|kdbx|bks)$", re.IGNORECASE)),
    ("a login file", "high", re.compile(
        r"(?:^|/)(?:\.netrc|_netrc|\.pgpass|\.git-credentials|\.htpasswd"
        r"|\.my\.cnf|\.s3cfg)$")),
    ("a Terraform state, which holds secrets in clear", "high", re.compile(r"\.tfstate(?:\.backup)?$")),
    ("a Kubernetes login file", "high", re.compile(r"(?:^|/)(?:kubeconfig|\.kube/config)$")),
    ("an environment file", "medium", re.compile(
        r"(?:^|/)\.env(?:\.(?!example|sample|template|dist|defaults?"
        r"|test|ci)[\w.-]+)?$")),
    ("a database file", "medium", re.compile(r"\.(?:sqlite3?|db3?|mdb|dump|bak\.sql|sql\.gz)$", re.IGNORECASE)),
    ("a core dump or memory image", "medium", re.compile(r"(?:^|/)core\.\d+$|\.(?:hprof|dmp|pcap)$")),
)  # fmt: skip
LEFTOVER = re.compile(r"\.(?:orig|rej|swp|swo|bak)$|~$|(?:^|/)(?:\.DS_Store|Thumbs\.db|desktop\.ini)$|(?:^|/)\.#")
WINDOWS = re.compile(
    r'[<>:"\\|?*\x00-\x1f]|[ .](?:/|$)|(?:^|/)(?:con|prn|aux|nul|com\d|lpt\d)(?:\.[^/]*)?(?:/|$)', re.IGNORECASE
)
DIRECTION = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")  # U+202A-202E, U+2066-2069
LONGEST_PATH = 200  # characters; Windows without long paths stops at 260 with the checkout's own folder


def run(context: Context) -> Outcome:
    """All kinds of risky files."""
    findings = [
        *credential_stores(context),
        *bad_content(context),
        *links(context),
        *names(context),
        *submodules(context),
        *leftovers(context),
    ]
    notes = [f"{plural(len(context.facts.files), 'path')} judged by name, text files also by content"]
    return Outcome(findings, notes)


def credential_stores(context: Context) -> Iterator[Finding]:
    """Files whose very purpose is to hold credentials or private data."""
    for file in context.facts.files:
        if file.kind != FILE or file.size == 0 or file.role == VENDORED:
            continue
        for what, severity, pattern in STORES:
            if pattern.search(file.path):
                mild = file.role == TEST or is_example(file.path)
                yield Finding(
                    "risky_files",
                    "credential-store",
                    "low" if mild else severity,
                    f"This looks like {what}" + (" (in tests or examples)" if mild else ""),
                    "Take it out of the repository (git rm --cached), name it in .gitignore, and renew what it holds.",
                    file.path,
                )
                break


def bad_content(context: Context) -> Iterator[Finding]:
    """Unresolved merge conflicts, and characters that make code read otherwise than it runs."""
    own = (file for file in context.facts.files if file.role in (CODE, TEST, DATA_ROLE))
    for file, content in context.contents(own):
        if (line := conflict_line(content)) is not None:
            yield Finding(
                "risky_files",
                "conflict-marker",
                "medium" if file.role == TEST else "high",
                "A merge conflict was committed unresolved",
                "Choose one side (or join them), remove the markers and commit.",
                file.path,
                line,
            )
        if b"\xe2" in content and file.role in (CODE, TEST) and (match := DIRECTION.search(content)):
            yield Finding(
                "risky_files",
                "hidden-direction",
                "high",
                "An invisible text direction character: this code may read otherwise than it runs (CVE-2021-42574)",
                "Remove the character, or write it as an escape such as \\u202e where the program needs it.",
                file.path,
                content.count(b"\n", 0, match.start()) + 1,
            )


def conflict_line(content: bytes) -> int | None:
    """The line of the first conflict: the three markers in their order, each at the start of a line."""
    text = b"\n" + content
    start = text.find(b"\n<<<<<<< ")
    middle = text.find(b"\n=======", start) if start >= 0 else -1
    end = text.find(b"\n>>>>>>> ", middle) if middle >= 0 else -1
    return text.count(b"\n", 0, start) + 1 if end >= 0 else None


def links(context: Context) -> Iterator[Finding]:
    """Symbolic links that leave the repository or lead nowhere."""
    linked: dict[str, list[FileFact]] = defaultdict(list)
    for file in context.facts.files:
        if file.kind == SYMLINK:
            linked[file.oid].append(file)
    known = context.by_path.keys() | context.folders
    inside = tuple(f"{file.path}/" for file in context.facts.files if file.kind in (SYMLINK, SUBMODULE))
    for oid, content in context.git.blobs(linked):
        target = content.decode("utf-8", "surrogateescape")
        for file in linked[oid]:
            end = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), target))
            if target.startswith("/") or end == ".." or end.startswith("../"):
                yield Finding(
                    "risky_files",
                    "link-outside",
                    "medium",
                    f"The link leads out of the repository, to {show(target, 120)}",
                    "Link to a path inside the repository, or copy what is needed.",
                    file.path,
                )
            elif end != "." and end not in known and not f"{end}/".startswith(inside):
                yield Finding(
                    "risky_files",
                    "link-broken",
                    "low",
                    f"The link leads nowhere: {show(target, 120)} is not in HEAD",
                    "Mend or remove the link.",
                    file.path,
                )


def names(context: Context) -> Iterator[Finding]:
    """Paths that some machines cannot check out."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in (*context.by_path, *context.folders):
        groups[path.casefold()].append(path)
    for same in groups.values():
        if len(same) > 1:
            yield Finding(
                "risky_files",
                "case-collision",
                "medium",
                f"These paths differ only in case, so macOS and Windows check out one of them: {places(same, 4)}",
                "Rename all but one.",
                same[0],
            )
    hard = [path for path in context.by_path if WINDOWS.search(path)]
    if hard:
        yield Finding(
            "risky_files",
            "windows-name",
            "low",
            f"{plural(len(hard), 'path')} cannot be checked out on Windows: {places(hard)}",
            'Rename them without < > : " \\ | ? *, reserved names such as aux, and a dot or space at the end.',
            hard[0],
            key="all",
        )
    long = [path for path in context.by_path if len(path) > LONGEST_PATH]
    if long:
        yield Finding(
            "risky_files",
            "long-path",
            "low",
            f"{plural(len(long), 'path')} longer than {LONGEST_PATH} characters: {places(long, 1)}",
            "Shorten folder names; Windows without long paths refuses more than 260 in all.",
            long[0],
            key="all",
        )
    foreign = [path for path in context.by_path if any("\udc80" <= character <= "\udcff" for character in path)]
    if foreign:
        yield Finding(
            "risky_files",
            "name-encoding",
            "low",
            f"{plural(len(foreign), 'file name')} not in UTF-8: {places(foreign)}",
            "Rename them in UTF-8; tools and other systems show or refuse them in different ways.",
            foreign[0],
            key="all",
        )


def submodules(context: Context) -> Iterator[Finding]:
    """Submodules that cannot be fetched, or not safely."""
    urls = submodule_urls(context.text(".gitmodules") or "")
    for file in context.facts.files:
        if file.kind != SUBMODULE:
            continue
        line, url = urls.get(file.path, (0, ""))
        if not url:
            yield Finding(
                "risky_files",
                "submodule-without-address",
                "medium",
                "The submodule has no address in .gitmodules, so nobody can fetch it",
                "Add it with `git submodule add ADDRESS PATH`, or remove it with `git rm --cached PATH`.",
                file.path,
            )
        elif url.startswith(("-", "ext::", "fd::")):
            yield Finding(
                "risky_files",
                "submodule-command",
                "critical",
                "The submodule's address makes git run a program (CVE-2018-17456)",
                "Remove it, and ask who put it there.",
                ".gitmodules",
                line,
                key=file.path,
            )
        elif url.startswith(("http://", "git://")):
            yield Finding(
                "risky_files",
                "submodule-unencrypted",
                "medium",
                f"The submodule {show(file.path, 80)} is fetched without encryption",
                "Use its https:// or ssh:// address.",
                ".gitmodules",
                line,
                key=file.path,
            )


def submodule_urls(text: str) -> dict[str, tuple[int, str]]:
    """`.gitmodules`: path to (line of the url, url)."""
    found: dict[str, tuple[int, str]] = {}
    path, url = "", (0, "")
    for number, line in enumerate([*lines_of(text), "["], 1):
        if line.strip().startswith("["):
            if path:
                found[path] = url
            path, url = "", (0, "")
            continue
        name, _, value = (part.strip() for part in line.partition("="))
        if name == "path":
            path = decode_text(value.strip('"').encode("utf-8", "surrogateescape"))
        elif name == "url":
            url = (number, value.strip('"'))
    return found


def leftovers(context: Context) -> Iterator[Finding]:
    """What editors, merges and file managers leave behind."""
    left = [f.path for f in context.facts.files if f.kind == FILE and f.role != VENDORED and LEFTOVER.search(f.path)]
    if left:
        yield Finding(
            "risky_files",
            "leftover",
            "low",
            f"{plural(len(left), 'leftover')} of editors, merges or file managers: {places(left)}",
            "Remove them and name their patterns in .gitignore.",
            left[0],
            key="all",
        )


CHECK = Check(
    id="risky_files",
    title="Risky files",
    weight=8,
    why="Some files do harm by being there: they hold credentials, hide what code does, or break a checkout.",
    run=run,
)
