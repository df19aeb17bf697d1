"""`check --fix` and `--diff`: mended text is written whole or not at all, or only shown."""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator

from somagent.capsule_compiler.diagnostics import is_error
from somagent.capsule_compiler.diagnostics.fix import Applied, Checked, fix
from somagent.cli.checking import Checker, Found
from somagent.cli.files import replace_file
from somagent.cli.printing import colored, visible


def mend(found: Found, checker: Checker, *, unsafe: bool) -> tuple[Found, tuple[Applied, ...]]:
    """The file as it would be after every edit, and what was done; nothing is written."""
    mark = BOM_UTF8 if found.content.startswith(BOM_UTF8) else b""
    last = found

    def check(text: str) -> Checked:
        nonlocal last
        last = checker.content(found.name, mark + text.encode())
        return Checked(last.source, last.diagnostics, last.meaning)

    mended = fix(Checked(found.source, found.diagnostics, found.meaning), check, unsafe=unsafe)
    if not mended.applied:
        return found, ()
    if last.source.text != mended.checked.source.text:  # the last try was not taken
        last = checker.content(found.name, mark + mended.checked.source.text.encode())
    return last, mended.applied


def write(before: Found, after: Found) -> None:
    """Replaces the file by its mended content at once, with its mode kept; raises `UserError`.

    A link is followed. Refused when the file is no longer what was checked.
    """
    replace_file(before.name, before.content, after.content, verb="mend")


def told(name: str, applied: tuple[Applied, ...]) -> str:
    """A line for each edit that was made."""
    lines = [
        f"fixed[{one.code}]: {name}:{one.position.line}:{one.position.column}: {one.message}: {one.title}\n"
        for one in applied
    ]
    return visible("".join(lines))


def left(mended: Found) -> str:
    """A line for a file with errors that were not mended: a diff alone, or none, would look like the whole truth."""
    count = sum(map(is_error, mended.diagnostics))
    if not count:
        return ""
    one = count == 1
    return visible(
        f"{mended.name}: {count} error{'s' * (not one)} {'is' if one else 'are'} left; "
        f"`somagent check {mended.name}` shows {'it' if one else 'them'}\n"
    )


def diff(before: Found, after: Found) -> str:
    """The change as a unified diff that `patch` and `git apply` take."""
    import difflib  # noqa: PLC0415

    old, new = _lines(before), _lines(after)
    name = before.name
    made = difflib.unified_diff(old, new, fromfile=f"a/{name}", tofile=f"b/{name}", n=3)
    text = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in made)
    return "".join(_colored(text)) if colored(sys.stdout) else text


def _lines(found: Found) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", found.content.decode(errors="replace"))


def _colored(text: str) -> Iterator[str]:
    for line in re.findall(r"[^\n]*\n", text):
        tint = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}.get(line[0], "")
        yield f"{tint}{line[:-1]}\x1b[0m\n" if tint else line
