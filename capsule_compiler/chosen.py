"""The packages of a compilation: chosen once for a capsule and all that it uses, from its lock while that fits."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath

from msgspec.structs import replace

from somagent.capsule_compiler.draft import Draft, Family
from somagent.capsule_compiler.model.capsule import Uses
from somagent.capsule_compiler.packages.choose import (
    Choice,
    Fault,
    drift,
    file_drift,
    new_packages,
    pinned_packages,
)
from somagent.capsule_compiler.packages.lock import FILE, CapsuleLock, Lock, read_lock
from somagent.capsule_compiler.packages.reading import first_mistake
from somagent.capsule_compiler.packages.use import SECTIONS, uses_of
from somagent.capsule_compiler.packages.wanted import Wanted, wanted_by
from somagent.governance.documents import Diagnostic, Label, Path

USES: Path = ("spec", "uses")
_SHOWN = 4


def choose_packages(draft: Draft) -> Draft:
    """The draft with its family, or with what keeps its packages from being chosen."""
    if draft.capsule is None:
        return draft
    if draft.given.within is not None:
        return replace(draft, family=draft.given.within.family)
    name = draft.file_name
    wanted = wanted_by(name, draft.capsule.spec.uses, draft.given.files)
    if not wanted.requirements and not (wanted.files and draft.given.locked):
        return replace(draft, family=Family({}))
    lock, found = _lock_beside(draft)
    if found:
        return draft.reporting(found)
    section = lock.capsules.get(name) if lock is not None else None
    stale = drift(wanted, section)
    if draft.given.locked:
        refusal = _refusal(draft, lock, stale or file_drift(wanted, section))
        if refusal is not None:
            return draft.reporting([refusal])
    choice = _choice(draft, wanted, lock or Lock(), section, stale=bool(stale))
    if choice.faults:
        return draft.reporting([shown_fault(draft, fault) for fault in choice.faults])
    if stale and not _use_in_doubt(draft, wanted):
        draft = draft.reporting([_unpinned(draft, lock, stale, choice)])
    return replace(draft, family=Family(choice.packages))


def _use_in_doubt(draft: Draft, wanted: Wanted) -> bool:
    """Whether a use has a mistake: what the lock should say is not known then."""
    uses = draft.capsule.spec.uses if draft.capsule is not None else Uses()
    if any(draft.written((*USES, section)) != list(getattr(uses, section)) for section in SECTIONS):
        return True
    return any(use.path and normpath(use.path) not in wanted.files for use in uses_of(uses))


def _choice(draft: Draft, wanted: Wanted, lock: Lock, section: CapsuleLock | None, *, stale: bool) -> Choice:
    source = draft.given.packages
    if not wanted.requirements:
        return Choice({})
    if section is None or stale:
        return new_packages(wanted, section.packages if section is not None else {}, lock, source)
    return pinned_packages(wanted, section, lock, source)


def _lock_beside(draft: Draft) -> tuple[Lock | None, list[Diagnostic]]:
    """The lock beside the capsule, None when there is none; or why it cannot be used."""
    try:
        files = draft.given.files(FILE)
    except FileNotFoundError:
        return None, []
    except OSError as error:
        reason = f"cannot read `{FILE}`: {(error.strerror or str(error)).lower()}"
        return None, [Diagnostic("lock-wrong", reason, draft.key_span(USES))]
    if len(files) != 1 or files[0].path != FILE:
        return None, [Diagnostic("lock-wrong", f"`{FILE}` is a folder", draft.key_span(USES))]
    source, lock, found = read_lock(FILE, files[0].content)
    if lock is None:
        help_ = f"take it from version control, or remove it and let `somagent lock {draft.file_name}` write it anew"
        return None, [Diagnostic("lock-wrong", first_mistake(source, found), draft.key_span(USES), help=help_)]
    return lock, []


def _refusal(draft: Draft, lock: Lock | None, stale: str) -> Diagnostic | None:
    """What `--locked` refuses."""
    if lock is None:
        message = f"there is no `{FILE}` beside the capsule, and only what it pins may be used"
    elif stale:
        message = f"`{FILE}` is out of date: {stale}"
    else:
        return None
    help_ = f"write it with `somagent lock {draft.file_name}`, and keep it with the capsule"
    return Diagnostic("lock-drift", message, draft.key_span(USES), help=help_)


def _unpinned(draft: Draft, lock: Lock | None, stale: str, choice: Choice) -> Diagnostic:
    """Says that versions were chosen now, and which."""
    keys = [package.key for _, package in sorted(choice.packages.items())]
    shown = ", ".join(f"`{key}`" for key in keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
    span, help_ = draft.key_span(USES), f"`somagent lock {draft.file_name}` pins them"
    if lock is None:
        return Diagnostic(
            "packages-not-pinned", f"no `{FILE}` pins the packages; chosen now: {shown}", span, help=help_
        )
    return Diagnostic("lock-out-of-date", f"`{FILE}`: {stale}; chosen now: {shown}", span, help=help_)


def shown_fault(draft: Draft, fault: Fault) -> Diagnostic:
    """The fault at the use that leads to it."""
    labels = tuple(_labels(draft, fault))
    return Diagnostic(fault.name, fault.message, draft.span((*USES, *fault.origin)), labels=labels, help=fault.help)


def _labels(draft: Draft, fault: Fault) -> Iterator[Label]:
    for origin in fault.others:
        yield Label(draft.span((*USES, *origin)), "this has to do with it")
