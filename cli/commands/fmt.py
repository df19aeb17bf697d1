"""`somagent fmt`: capsules, their tests and constitutions in their one layout."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from somagent.capsule_compiler.diagnostics import render_all
from somagent.cli.exits import Exit
from somagent.cli.files import documents, replace_file
from somagent.cli.printing import colored, visible
from somagent.governance.documents import Diagnostic, Source, decode_source
from somagent.governance.documents.formatting import format_source
from somagent.workflows import capsules


def run(arguments: Namespace) -> int:
    """Exit 0 when every file has its layout now; with `--check` or `--diff`, when it had it before."""
    looking = arguments.check or arguments.diff
    changed = same = 0
    refused = False
    for path in documents(arguments.files or ["."]):
        standard = str(path) == "-"
        content = sys.stdin.buffer.read() if standard else capsules.read_bytes(path)
        source, laid_out, found = _laid_out(str(path), content)
        if laid_out is None:
            sys.stderr.write(render_all(source, found, color=colored(sys.stderr)))
            refused = True
            continue
        other = laid_out.encode() != content
        changed, same = changed + other, same + (not other)
        if other and looking:
            _say_difference(path, content, laid_out, diff=arguments.diff)
        elif standard and not looking:
            sys.stdout.write(laid_out)
        elif other:
            replace_file(str(path), content, laid_out.encode(), verb="format")
            print(f"formatted {visible(str(path))}")
    if not arguments.files or looking or len(arguments.files) > 1:
        _sum_up(changed, same, looking=looking)
    return Exit.FAILED if refused or (looking and changed) else Exit.OK


def _laid_out(name: str, content: bytes) -> tuple[Source, str | None, Sequence[Diagnostic]]:
    source, found = decode_source(name, content)
    if found:
        return source, None, found
    laid_out, found = format_source(source)
    return source, laid_out, found


def _say_difference(path: Path, content: bytes, laid_out: str, *, diff: bool) -> None:
    if not diff:
        print(f"would format {visible(str(path))}")
        return
    from difflib import unified_diff  # noqa: PLC0415

    before = content.decode().splitlines(keepends=True)
    for line in unified_diff(before, laid_out.splitlines(keepends=True), f"a/{path}", f"b/{path}"):
        sys.stdout.write(visible(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"))


def _sum_up(changed: int, same: int, *, looking: bool) -> None:
    parts = []
    if changed:
        parts.append(f"{_many(changed)} {'would be formatted' if looking else 'formatted'}")
    if same or not changed:
        parts.append(f"{_many(same)} in order")
    sys.stdout.flush()  # the sum comes last
    sys.stderr.write(", ".join(parts) + "\n")


def _many(count: int) -> str:
    return f"{count:,} file" + ("" if count == 1 else "s")
