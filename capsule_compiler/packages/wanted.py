"""All that a capsule and the capsules beside it want from outside, found before any of them is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from somagent.capsule_compiler.packages.content import file_digest
from somagent.capsule_compiler.packages.solve import Requirement
from somagent.capsule_compiler.packages.use import SECTIONS, Use, parse_use, uses_of
from somagent.governance.documents import decode_source, read_yaml

if TYPE_CHECKING:
    from somagent.capsule_compiler.draft import FileBeside, FilesBeside
    from somagent.capsule_compiler.model.capsule import Uses

MAX_FILES = 500


class Wanted(Struct):
    """Requirements of packages in the order of the text, and the digests of used files by path."""

    requirements: list[Requirement] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    unread: list[tuple[str, tuple[str, str]]] = field(default_factory=list)  # paths, and the uses that lead to them

    @property
    def requires(self) -> dict[str, list[str]]:
        """The ranges that are asked for, by package, as the lock keeps them."""
        found: dict[str, set[str]] = {}
        for one in self.requirements:
            found.setdefault(one.package, set()).add(one.range.text)
        return {package: sorted(ranges) for package, ranges in sorted(found.items())}


def wanted_by(name: str, uses: Uses, files: FilesBeside) -> Wanted:
    """What a capsule of that name wants, with what capsules beside it want.

    What cannot be read is left out, and is found under `unread`.
    """
    wanted = Wanted()
    waiting: list[tuple[tuple[str, ...], str, Use, tuple[str, str]]] = [
        ((name,), "", use, (use.section, use.alias)) for use in uses_of(uses)
    ]
    while waiting:
        by, folder, use, origin = waiting.pop(0)
        if use.package:
            wanted.requirements.append(Requirement(use.package, use.range, by, origin))
            continue
        path = normpath(join(folder, use.path))
        file = _file(files, path)
        if file is None:
            wanted.unread.append((path, origin))
            continue
        if path in wanted.files or len(wanted.files) >= MAX_FILES:
            continue
        wanted.files[path] = file_digest(file)
        if use.section == "capsules":
            inner = _uses_inside(path, file.content)
            waiting += [((*by, path), dirname(path), one, origin) for one in inner]
    return wanted


def _file(files: FilesBeside, path: str) -> FileBeside | None:
    if path.startswith(("../", "/")) or path in {"..", "."}:
        return None
    try:
        found = files(path)
    except (OSError, ValueError):
        return None
    return found[0] if len(found) == 1 and found[0].path == path else None


def _uses_inside(name: str, content: bytes) -> Iterator[Use]:
    source, found = decode_source(name, content)
    root = None if found else read_yaml(source)[0]
    document: Any = root.plain() if root is not None else None
    for section in SECTIONS:
        entries = _member(_member(_member(document, "spec"), "uses"), section)
        for alias, text in entries.items() if isinstance(entries, Mapping) else ():
            use = parse_use(section, str(alias), text) if isinstance(text, str) else None
            if use is not None:
                yield use


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
