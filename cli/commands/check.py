"""`somagent check`: every mistake in capsules and constitutions, at once, and those that mend themselves, mended."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from somagent.cli import formats
from somagent.cli.checking import STANDARD_INPUT, Checker, Found
from somagent.cli.compiling import governing, installed
from somagent.cli.exits import Exit, UserError
from somagent.cli.files import documents
from somagent.cli.printing import print_json
from somagent.workflows.capsules import NotReadable


def run(arguments: Namespace) -> int:
    """Exit 0 when no file has an error (with `--deny-warnings`: nor a warning), 1 when one has, 2 for a file unread."""
    if arguments.unsafe_fixes and not (arguments.fix or arguments.diff):
        raise UserError("`--unsafe-fixes` goes with `--fix` or `--diff`")
    checker = Checker(installed(locked=arguments.locked), governing(arguments))
    found: list[Found] = []
    unread: dict[str, str] = {}
    for name in _each_once(arguments.files or ["."], unread):
        try:
            found.append(checker.file(name))
        except NotReadable as error:
            unread[name] = str(error)
    if arguments.diff:
        return _diff(found, unread, checker, arguments)
    if arguments.fix:
        found = [_fixed(one, checker, unread, arguments) for one in found]
    _show(found, unread, arguments)
    if unread:
        return Exit.USAGE
    return Exit.FAILED if any(_fails(one, arguments) for one in found) else Exit.OK


def _each_once(names: Sequence[str], unread: dict[str, str]) -> list[str]:
    """The files, and those in the folders, in their order, however often and in whatever way they are named."""
    found: dict[str, str] = {}
    for name in names:
        inside = list(map(str, documents([name]))) if Path(name).is_dir() else [name]
        if not inside:
            unread[name] = f"there are no capsules, tests or constitutions below `{name}`"
        for one in inside:
            found.setdefault(os.path.normpath(one), one)
    return list(found.values())


def _fails(one: Found, arguments: Namespace) -> bool:
    return one.wrong or bool(arguments.deny_warnings and one.diagnostics)


def _with_used(found: Sequence[Found]) -> list[Found]:
    """The named files, and after them the capsules that they use and that have mistakes, each once."""
    known = {one.source.name: one for one in found}
    said = {diagnostic.message for one in found for diagnostic in one.diagnostics}
    for one in found:
        for used in one.used:
            if not said.issuperset(diagnostic.message for diagnostic in used.diagnostics):  # a circle is said once
                known.setdefault(used.source.name, used)
    return list(known.values())


def _show(named: Sequence[Found], unread: dict[str, str], arguments: Namespace) -> None:
    found = _with_used(named)
    if arguments.format is None and arguments.output == "json":
        print_json(formats.records(found, unread))
        return
    form = arguments.format or "text"
    piped = arguments.fix and any(one.name == STANDARD_INPUT for one in found)
    formats.show(found, unread, form, sys.stderr if piped else sys.stdout, deny_warnings=arguments.deny_warnings)
    if form == "text" and not (arguments.fix or piped):
        sys.stdout.write(formats.hint(named))


def _diff(found: Sequence[Found], unread: dict[str, str], checker: Checker, arguments: Namespace) -> int:
    from somagent.cli import fixing  # noqa: PLC0415  only for those who mend

    changed, left = False, ""
    for one in found:
        mended, applied = fixing.mend(one, checker, unsafe=arguments.unsafe_fixes)
        if applied:
            changed = True
            sys.stdout.write(fixing.diff(one, mended))
        left += fixing.left(mended)
    sys.stdout.flush()  # where both go to one place, the diff comes first
    sys.stderr.write(left)
    formats.tell_unread(unread)
    if unread:
        return Exit.USAGE
    return Exit.FAILED if changed else Exit.OK


def _fixed(one: Found, checker: Checker, unread: dict[str, str], arguments: Namespace) -> Found:
    """The file after it was mended; one that cannot be written is told, and stays as it was."""
    from somagent.cli import fixing  # noqa: PLC0415

    mended, applied = fixing.mend(one, checker, unsafe=arguments.unsafe_fixes)
    if one.name == STANDARD_INPUT:
        sys.stdout.buffer.write(mended.content)
        sys.stdout.buffer.flush()
    elif applied:
        try:
            fixing.write(one, mended)
        except UserError as error:
            unread[one.name] = str(error)
            return one
    sys.stderr.write(fixing.told(one.name, applied))
    return mended
