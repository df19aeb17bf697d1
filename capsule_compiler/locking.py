"""What `somagent lock` writes: the section of one capsule, with as few changes as its uses allow."""

from __future__ import annotations

from collections.abc import Iterator, Set

from msgspec import Struct

from somagent.capsule_compiler.beside import read_beside
from somagent.capsule_compiler.chosen import USES, shown_fault
from somagent.capsule_compiler.diagnostics.codes import is_error
from somagent.capsule_compiler.draft import Draft, Given
from somagent.capsule_compiler.packages.choose import new_packages
from somagent.capsule_compiler.packages.lock import CapsuleLock, Lock, with_capsule
from somagent.capsule_compiler.packages.wanted import Wanted, wanted_by
from somagent.capsule_compiler.passes.check_shape import check_shape
from somagent.capsule_compiler.passes.parse import parse
from somagent.governance.documents import Diagnostic, Source, decode_source

ALL = "all"


class Locked(Struct, frozen=True):
    """The new lock, or why there is none."""

    source: Source
    lock: Lock | None
    diagnostics: tuple[Diagnostic, ...] = ()


def lock_capsule(name: str, content: bytes, given: Given, old: Lock, upgrade: Set[str] = frozenset()) -> Locked:
    """Chooses for one capsule. What `old` pins stays while it fits, but for packages in `upgrade` (`all`: all)."""
    source, found = decode_source(name, content)
    if found:
        return Locked(source, None, tuple(found))
    draft = check_shape(parse(Draft(source, given)))
    if draft.capsule is None:
        return Locked(source, None, draft.diagnostics)
    span = draft.span(USES)
    wrong = [one for one in draft.diagnostics if is_error(one) and span.start <= one.span.start < span.end]
    if wrong:  # mistakes elsewhere keep nobody from locking
        return Locked(source, None, tuple(wrong))
    wanted = wanted_by(draft.file_name, draft.capsule.spec.uses, given.files)
    unread = list(_unread(draft, wanted))
    if unread:
        return Locked(source, None, tuple(unread))
    section = old.capsules.get(draft.file_name, CapsuleLock())
    preferred = {name: version for name, version in section.packages.items() if not {name, ALL} & upgrade}
    kept = {key: one for key, one in old.packages.items() if not {key.partition(" ")[0], ALL} & upgrade}
    choice = new_packages(wanted, preferred, Lock(capsules=old.capsules, packages=kept), given.packages)
    if choice.faults:
        return Locked(source, None, tuple(shown_fault(draft, fault) for fault in choice.faults))
    versions = {name: str(package.manifest.version) for name, package in choice.packages.items()}
    contents = {package.key: package.pinned() for package in choice.packages.values()}
    new = CapsuleLock(requires=wanted.requires, packages=versions, files=wanted.files)
    return Locked(source, with_capsule(old, draft.file_name, new, contents))


def _unread(draft: Draft, wanted: Wanted) -> Iterator[Diagnostic]:
    """Why files that are used cannot be pinned."""
    for path, use in wanted.unread:
        found: list[Diagnostic] = []
        read_beside(draft, path, (*USES, *use), found)
        span = draft.span((*USES, *use))
        yield from found or [Diagnostic("file-beside-missing", f"cannot read `{path}`: is a directory", span)]
