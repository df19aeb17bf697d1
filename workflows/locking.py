"""`capsule.lock` as a file: read, changed for some capsules and written at once, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from somagent.capsule_compiler.draft import Given
from somagent.capsule_compiler.locking import ALL, lock_capsule
from somagent.capsule_compiler.packages.lock import FILE, CapsuleLock, Lock, read_lock, with_capsule, write_lock
from somagent.capsule_compiler.packages.reading import first_mistake
from somagent.governance.constitution import default_constitution
from somagent.governance.documents import Diagnostic, Source, nearest
from somagent.workflows.capsules import Installation, NotReadable, files_beside


class Update(Struct, frozen=True):
    """What came of locking: without mistakes, the lock as it was and as it is now."""

    old: Lock
    new: Lock
    mistakes: Sequence[tuple[Source, Sequence[Diagnostic]]] = ()


def update_lock(
    folder: Path, capsules: Sequence[tuple[Path, bytes]], installation: Installation, upgrade: Set[str] = frozenset()
) -> Update:
    """Locks capsules of one folder, given as path and content; raises `NotReadable`.

    Nothing is written when one of them has mistakes. Sections of capsules that are gone are left out.
    """
    with _alone(folder):
        old = new = _read(folder)
        mistakes: list[tuple[Source, Sequence[Diagnostic]]] = []
        for path, content in capsules:
            given = Given(
                installation.language, default_constitution(), files_beside(folder), packages=installation.packages
            )
            locked = lock_capsule(str(path), content, given, new, upgrade)
            if locked.lock is None:
                mistakes.append((locked.source, locked.diagnostics))
            else:
                new = locked.lock
        for name in old.capsules:
            if not (folder / name).exists():
                new = with_capsule(new, name, CapsuleLock(), {})
        _check_upgrades(upgrade, old, new)
        if mistakes:
            return Update(old, old, mistakes)
        _write(folder / FILE, write_lock(new), empty=not new.capsules)
        return Update(old, new)


def _check_upgrades(upgrade: Set[str], old: Lock, new: Lock) -> None:
    known = {name for lock in (old, new) for section in lock.capsules.values() for name in section.packages}
    for name in sorted(upgrade - known - {ALL}):
        near = nearest(name, sorted(known))
        hint = f"did you mean `{near}`?" if near else "used are: " + (", ".join(sorted(known)) or "none")
        raise NotReadable(f"no capsule here uses the package `{name}`; {hint}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time changes the lock; they wait for the folder itself, so nothing is left behind."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise NotReadable(f"cannot open `{folder}`: {(error.strerror or str(error)).lower()}") from None
    try:
        with suppress(OSError):  # file systems without locks: the file is still written whole
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(folder: Path) -> Lock:
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise NotReadable(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from None
    source, lock, found = read_lock(str(path), content)
    if lock is None:
        raise NotReadable(f"{first_mistake(source, found)}; take it from version control, or remove it and lock again")
    return lock


def _write(path: Path, content: bytes, *, empty: bool) -> None:
    """Replaces the file at once, so that nobody ever reads a half of it; writes nothing where nothing changes."""
    import tempfile  # noqa: PLC0415  8 ms, only where something is written

    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode & 0o777
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        if empty:
            return
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    except OSError as error:
        raise NotReadable(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NotReadable(f"cannot write `{path}`: {(error.strerror or str(error)).lower()}") from None
