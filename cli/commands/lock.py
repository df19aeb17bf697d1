"""`somagent lock`: pins what capsules use, so that everybody gets the same."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.packages.lock import FILE, Lock
from somagent.cli.compiling import checked, installed
from somagent.cli.exits import Exit, UserError
from somagent.cli.printing import colored, print_json, visible
from somagent.workflows import capsules
from somagent.workflows.locking import Update, update_lock


def run(arguments: Namespace) -> int:
    """Exit 0 when the lock pins everything, 1 when that cannot be done."""
    installation = installed()
    folders: dict[Path, list[tuple[Path, bytes]]] = {}
    for path in map(Path, dict.fromkeys(arguments.capsules)) if arguments.capsules else capsules_here():
        folders.setdefault(path.parent, []).append((path, capsules.read_bytes(path)))
    updates = [
        (folder, update_lock(folder, found, installation, frozenset(arguments.upgrade)))
        for folder, found in folders.items()
    ]
    if arguments.output == "json":
        print_json([_record(folder, update) for folder, update in updates])
    else:
        for folder, update in updates:
            for source, diagnostics in update.mistakes:
                sys.stderr.write(render_all(source, diagnostics, color=colored(sys.stderr)))
            if not update.mistakes:
                sys.stdout.write("".join(visible(line) + "\n" for line in told(folder, update)))
    return Exit.FAILED if any(update.mistakes for _, update in updates) else Exit.OK


def capsules_here() -> list[Path]:
    """The capsules of the current folder."""
    found = sorted(Path().glob(f"*{capsules.SUFFIX}"))
    if not found:
        raise UserError(f"there is no `*{capsules.SUFFIX}` in this folder; name the capsules")
    return found


def told(folder: Path, update: Update) -> Iterator[str]:
    """What was pinned, and what changed by it."""
    path, count = folder / FILE, len(update.new.packages)
    files = len({name for section in update.new.capsules.values() for name in section.files})
    if not count and not files and not update.old.capsules:
        yield "nothing to lock: no capsule here uses packages or files"
        return
    pinned = f"{count} package{'s' * (count != 1)}, {files} file{'s' * (files != 1)}"
    yield f"{path} is up to date ({pinned})" if update.new == update.old else f"wrote {path} ({pinned})"
    yield from (f"  {line}" for line in _changes(update.old, update.new))


def _changes(old: Lock, new: Lock) -> Iterator[str]:
    before, after = _versions(old), _versions(new)
    for name in sorted({*before, *after}):
        gone, come = sorted(before.get(name, set()) - after.get(name, set())), sorted(after.get(name, set()))
        if name not in after:
            yield f"{name} {', '.join(gone)} is not used any more"
        elif name not in before:
            yield f"{name} {', '.join(come)}"
        elif gone or before[name] != after[name]:
            yield f"{name} {', '.join(sorted(before[name]))} -> {', '.join(come)}"
        else:
            keys = [f"{name} {version}" for version in come]
            yield from (f"{key} has another content" for key in keys if old.packages[key] != new.packages[key])


def _versions(lock: Lock) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key in lock.packages:
        name, _, version = key.partition(" ")
        found.setdefault(name, set()).add(version)
    return found


def _record(folder: Path, update: Update) -> dict[str, object]:
    return {
        "file": str(folder / FILE),
        "ok": not update.mistakes,
        "packages": {key: one.digest for key, one in update.new.packages.items()},
        "mistakes": [checked(source.name, source, diagnostics) for source, diagnostics in update.mistakes],
    }
