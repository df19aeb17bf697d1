"""How tests of capsules are told: a line for each case, every difference with its place, and what was covered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from somagent.cli.printing import colored, visible
from somagent.workflows.testing.reading import TestFile

if TYPE_CHECKING:
    from somagent.workflows.testing.coverage import Coverage
    from somagent.workflows.testing.running import CaseResult

_WIDEST = 60
_COLORS = {"ok": "\x1b[32m", "FAIL": "\x1b[31m"}


class Covered(Struct, frozen=True):
    """What the cases cover of one capsule."""

    name: str
    coverage: Coverage


def print_list(file: TestFile, numbers: Sequence[int]) -> None:
    """The names of cases, each with its place."""
    for number in numbers:
        line = file.text.line(("spec", "cases", number, "name"))
        sys.stdout.write(visible(f"{file.text.source.name}:{line}  {file.cases[number].name}\n"))


def print_head(file: TestFile) -> None:
    """Which file is run, and which capsule it tests."""
    sys.stdout.write(visible(f"{file.text.source.name} ({file.subject.path.name})\n"))


def print_result(result: CaseResult, width: int) -> None:
    """One case: how it ended, which of its steps were not real, and what is not as expected.

    `width` is that of the column of names.
    """
    word = "ok" if result.passed else "FAIL"
    mark = f"{_COLORS[word]}{word:4}\x1b[0m" if colored(sys.stdout) else f"{word:4}"
    answered = f"  answered: {', '.join(result.answered)}" if result.answered else ""
    sys.stdout.write(f"  {mark} {visible(result.case.name):{width}}  {result.took_s:.2f}s{visible(answered)}\n")
    for one in result.judged.failures:
        sys.stdout.write(visible(f"       {result.file.text.source.name}:{one.line}: {one.what}\n"))
        for label, text in (("expected", one.expected), ("actual", one.actual)):
            if text:
                _indented(f"         {label}: ", text)
    for note in result.judged.notes:
        _indented("       note: ", note)
    sys.stdout.flush()


def _indented(head: str, text: str) -> None:
    first, *rest = text.splitlines()
    sys.stdout.write(visible(f"{head}{first}\n"))
    before = " " * (len(head) - len(head.lstrip()) + 2)
    sys.stdout.writelines(visible(f"{before}{line}\n") for line in rest)


def print_left_snapshots(file: TestFile) -> None:
    """Which kept records can go."""
    from somagent.workflows.testing.snapshots import left_snapshots  # noqa: PLC0415

    for path in left_snapshots(file):
        sys.stdout.write(visible(f"  note: no case is compared with {path}; it can be removed\n"))


def width_of_names(file: TestFile, numbers: Sequence[int]) -> int:
    """Of the longest name of a case, unless it is very long."""
    return min(max(len(visible(file.cases[number].name)) for number in numbers), _WIDEST)


def coverages(results: Sequence[CaseResult]) -> list[Covered]:
    """Of each capsule, over all files of its tests."""
    from somagent.workflows.testing.coverage import coverage_of  # noqa: PLC0415

    by_capsule: dict[Path, list[CaseResult]] = {}
    for result in results:
        by_capsule.setdefault(result.file.subject.path.resolve(), []).append(result)
    found = []
    for path, of_capsule in by_capsule.items():
        plan = of_capsule[0].file.subject.plan
        if plan is not None:
            views = [result.view for result in of_capsule if result.view is not None]
            found.append(Covered(path.name, coverage_of(plan, views)))
    return found


def print_end(results: Sequence[CaseResult], covered: Sequence[Covered]) -> None:
    """The coverage and the sum."""
    for one in covered:
        coverage = one.coverage
        sys.stdout.write(
            f"\n{visible(one.name)}: {coverage.seen} of {coverage.total} ways seen ({coverage.percent:.0f} %)\n"
        )
        width = max(len(step.id) for step in coverage.steps)
        for step in coverage.steps:
            missing = [way for way, seen in step.ways.items() if not seen]
            seen = len(step.ways) - len(missing)
            not_seen = f"  never: {', '.join(missing)}" if missing else ""
            sys.stdout.write(f"  {step.id:{width}}  {seen}/{len(step.ways)}{not_seen}\n")
    failed = sum(not result.passed for result in results)
    answered = sum(bool(result.answered) for result in results)
    parts = [f"{len(results) - failed} passed"] + ([f"{failed} failed"] if failed else [])
    if answered:
        parts.append(f"{answered} with answered steps")
    sys.stdout.write(f"\n{', '.join(parts)}\n")


def as_object(results: Sequence[CaseResult], covered: Sequence[Covered]) -> dict[str, Any]:
    """Everything as `--output json` shows it; the shape is documented in docs/testing.md."""
    return {
        "cases": [
            {
                "file": result.file.text.source.name,
                "line": result.file.text.line(("spec", "cases", result.number, "name")),
                "name": result.case.name,
                "passed": result.passed,
                "seconds": round(result.took_s, 3),
                "answered": list(result.answered),
                "differences": [
                    {"line": one.line, "what": one.what, "expected": one.expected, "actual": one.actual}
                    for one in result.judged.failures
                ],
                "notes": list(result.judged.notes),
            }
            for result in results
        ],
        "coverage": {
            one.name: {
                "seen": one.coverage.seen,
                "total": one.coverage.total,
                "percent": round(one.coverage.percent, 1),
                "steps": {step.id: step.ways for step in one.coverage.steps},
            }
            for one in covered
        },
    }
