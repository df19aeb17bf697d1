"""How values are printed: JSON for programs, quiet text for people."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from somagent.operators.runner.records import Phase

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_UNWRAPPED = 400

MARKS: dict[Phase, tuple[str, str]] = {  # a sign and a colour of rich
    "Pending": ("·", "dim"),
    "Running": ("▸", "cyan"),
    "Waiting": ("?", "yellow"),
    "Succeeded": ("✓", "green"),
    "Failed": ("✗", "red"),
    "Skipped": ("-", "dim"),
    "Omitted": ("-", "dim"),
    "Cancelled": ("!", "magenta"),
}


def colored(stream: TextIO) -> bool:
    """Whether colours belong on a stream (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def console_for(stream: TextIO) -> Console:
    """A console of rich: as wide as the terminal; elsewhere nothing is wrapped, so that lines stay whole for tools."""
    from rich.console import Console  # noqa: PLC0415  40 ms, only where something is drawn

    width = None if stream.isatty() else _UNWRAPPED
    return Console(
        file=stream,
        no_color=not colored(stream),
        highlight=False,
        markup=False,  # what is printed comes from capsules, steps and people
        emoji=False,
        soft_wrap=True,
        width=width,
    )


def print_table(console: Console, table: Table) -> None:
    """Prints a table; where no terminal shows it, without the blanks that fill up its last column."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as drawn:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def print_json(value: Any) -> None:
    """Prints a value as indented JSON, the last thing on standard output."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False) + "\n")


def duration(length: timedelta | float | None) -> str:
    """`0.4s`, `12.3s`, `4m 05s`, `2h 10m`; empty when there is none."""
    if length is None:
        return ""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def between(start: datetime | None, end: datetime | None) -> str:
    """How long from one to the other; empty when one is not known."""
    return "" if start is None or end is None else duration(end - start)


def printable(text: str, limit: int = 200) -> str:
    """One line of text that a terminal can be given: no control characters, not endless; lines are joined by `;`."""
    line = "; ".join(part for part in map(str.strip, text.splitlines()) if part)
    clean = visible(line, " ").strip()
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def visible(text: str, instead: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Text that can send no commands to a terminal; lines, tabs, and the joiners inside words and signs are kept.

    All text from steps, files, people and arguments goes through it, or through `printable`, before it is printed.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else instead for char in text)


# the blanks of Unicode (category Zs), and zero width joiners
_HARMLESS = frozenset(
    "\n\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d"
)
