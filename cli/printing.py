"""How values are printed: JSON for programs, quiet text for people."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from somagent.operators.runner.records import Phase
from somagent.workflows.plain_text import between, duration, printable, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "MARKS",
    "between",
    "colored",
    "console_for",
    "duration",
    "print_folded",
    "print_json",
    "print_table",
    "printable",
    "visible",
]

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


def print_folded(console: Console, line: str, hang: int, style: str = "") -> None:
    """Prints a line; in a terminal it is folded between words, and goes on `hang` columns from the left."""
    from rich.text import Text  # noqa: PLC0415

    for part in _folded(line, console.width, hang) if console.is_terminal else [line]:
        console.print(Text(part, style=style))


def _folded(line: str, width: int, hang: int) -> Iterator[str]:
    """The parts of a line; a word that is longer than the width stays whole, so that it can be copied."""
    from rich.cells import cell_len  # noqa: PLC0415

    part = ""
    for word in re.findall(r"\s*\S+", line):
        anew = " " * hang + word.lstrip()
        if part and width < cell_len(part + word) > cell_len(anew):
            yield part
            part = anew
        else:
            part += word
    yield part


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
