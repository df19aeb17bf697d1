"""The steps of a run, a line each: in a narrow terminal what says least goes first; mark, phase and note stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from somagent.cli.printing import MARKS, print_folded, print_table
from somagent.operators.runner.records import Phase

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2  # between two columns
_LEAST = 10  # columns of a note; with fewer it is a column of syllables
_MARK = 1 + _GAP


class Line(NamedTuple):
    """What is told of a step."""

    phase: Phase
    step: str
    attempts: int
    time: str
    verdict: str
    note: str


def print_steps(console: Console, lines: Sequence[Line]) -> None:
    """Prints a table; in a terminal too narrow for it without times, verdicts and attempts, notes are below."""
    from rich.cells import cell_len  # noqa: PLC0415

    columns = {
        "STEP": [line.step for line in lines],
        "PHASE": [str(line.phase) for line in lines],
        "ATTEMPTS": [str(line.attempts) for line in lines],
        "TIME": [line.time for line in lines],
        "VERDICT": [line.verdict for line in lines],
    }
    widths = {name: max(map(cell_len, (name, *texts))) for name, texts in columns.items()}
    longest = max(map(cell_len, ("NOTE", *(line.note for line in lines))))

    def is_narrow() -> bool:
        room = console.width - _MARK - sum(widths[name] + _GAP for name in columns)
        return console.is_terminal and room < min(longest, _LEAST)

    for name in ("TIME", "VERDICT", "ATTEMPTS"):
        if is_narrow():
            del columns[name]
    if is_narrow():
        _print_with_notes_below(console, lines, widths["STEP"])
    else:
        _print_table(console, lines, columns)


def _print_table(console: Console, lines: Sequence[Line], columns: dict[str, list[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", *columns):
        table.add_column(name, justify="right" if name in {"ATTEMPTS", "TIME"} else "left", no_wrap=True)
    table.add_column("NOTE", overflow="ellipsis" if "TIME" in columns else "fold")
    for line, *cells in zip(lines, *columns.values(), strict=True):
        mark, color = MARKS[line.phase]
        styled = [Text(cell, style=color if name == "PHASE" else "") for name, cell in zip(columns, cells, strict=True)]
        table.add_row(Text(mark, style=color), *styled, Text(line.note))
    print_table(console, table)


def _print_with_notes_below(console: Console, lines: Sequence[Line], width: int) -> None:
    from rich.text import Text  # noqa: PLC0415

    gap = " " * _GAP
    console.print(Text(f"{' ' * _MARK}{'STEP':{width}}{gap}PHASE", style="dim"))
    for line in lines:
        mark, color = MARKS[line.phase]
        console.print(Text.assemble((mark, color), f"{gap}{line.step:{width}}{gap}", (line.phase, color)))
        if line.note:
            print_folded(console, f"{' ' * (_MARK + _GAP)}{line.note}", _MARK + _GAP)
