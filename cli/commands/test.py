"""`somagent test`: runs the tests beside capsules, and says what they cover."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from somagent.capsule_compiler.diagnostics import render_all
from somagent.cli import testing
from somagent.cli.compiling import governing, installed
from somagent.cli.exits import Exit, UserError
from somagent.cli.files import TESTS, files_below, is_test
from somagent.cli.printing import colored, print_json
from somagent.cli.streams import kept_clean
from somagent.workflows.capsules import SUFFIX, Installation, NotReadable, library, read_bytes
from somagent.workflows.testing.reading import Read, TestFile, read_test


def run(arguments: Namespace) -> int:
    """Exit 0 when every case is as expected, 1 when one is not, 2 when a file has mistakes or there is none."""
    installation, constitution = installed(), governing(arguments)
    read = [
        one
        for path, of in _files(arguments.paths or ["."]).items()
        if _tests(one := read_test(path, read_bytes(path), installation, constitution), of)
    ]
    if not read:
        raise _no_tests(arguments.paths)
    wrong = [one for one in read if one.file is None]
    files = [(one.file, _wanted(one.file, arguments.pattern)) for one in read if one.file is not None]
    if arguments.list:
        for file, numbers in files:
            testing.print_list(file, numbers)
    if wrong or arguments.list:
        return _tell(wrong, arguments)
    if not any(numbers for _, numbers in files):
        raise UserError(f"no case has `{arguments.pattern}` in its name; `--list` lists them all")
    return _run([(file, numbers) for file, numbers in files if numbers], installation, arguments)


def _tell(wrong: Sequence[Read], arguments: Namespace) -> int:
    """What is wrong with files of tests; nothing is run then."""
    for one in wrong:
        sys.stderr.write(render_all(one.source, one.diagnostics, color=colored(sys.stderr)))
    if wrong and arguments.junit:
        from somagent.workflows.testing.junit import junit  # noqa: PLC0415

        faults = [(one.source.name, render_all(one.source, one.diagnostics)) for one in wrong]
        _write(arguments.junit, junit([], faults))
    return Exit.USAGE if wrong else Exit.OK


def _run(files: Sequence[tuple[TestFile, list[int]]], installation: Installation, arguments: Namespace) -> int:
    from somagent.workflows.testing.running import CaseResult, run_file  # noqa: PLC0415  brings the engine along

    results: list[CaseResult] = []
    stopped: list[signal.Signals] = []
    quiet = arguments.output == "json"

    async def work() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _stop, task, number, stopped)
        for file, numbers in files:
            width = testing.width_of_names(file, numbers)
            if not quiet:
                testing.print_head(file)
            real, update = arguments.real, arguments.update_snapshots
            cases = run_file(file, numbers, installation.operators, real=real, update_snapshots=update)
            async for result in cases:
                results.append(result)
                if not quiet:
                    testing.print_result(result, width)
            if not quiet:
                testing.print_left_snapshots(file)

    try:
        with kept_clean(clean=quiet):
            asyncio.run(work())
    except asyncio.CancelledError:
        sys.stderr.write(f"stopped after {len(results)} cases; nothing is left behind\n")
        return Exit.INTERRUPTED if signal.SIGINT in stopped else Exit.TERMINATED
    covered = testing.coverages(results)
    if arguments.junit:
        from somagent.workflows.testing.junit import junit  # noqa: PLC0415

        _write(arguments.junit, junit(results, []))
    if quiet:
        print_json(testing.as_object(results, covered))
    else:
        testing.print_end(results, covered)
    failed = any(not result.passed for result in results)
    least = arguments.min_coverage
    short = [one for one in covered if least is not None and one.coverage.percent < least]
    sys.stdout.flush()
    for one in short:
        sys.stderr.write(
            f"error: {one.name}: coverage is {one.coverage.percent:.0f} %, at least {least:g} % is asked for\n"
        )
    return Exit.FAILED if failed or short else Exit.OK


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{name}`: {(error.strerror or str(error)).lower()}") from None


def _stop(task: asyncio.Task[None] | None, number: signal.Signals, stopped: list[signal.Signals]) -> None:
    stopped.append(number)
    if task is not None:
        task.cancel()


def _wanted(file: TestFile, pattern: str) -> list[int]:
    return [number for number, case in enumerate(file.cases) if pattern.lower() in case.name.lower()]


def _files(names: Sequence[str]) -> dict[Path, Path | None]:
    """The files of tests of these paths, and the one capsule whose tests are wanted of them.

    Raises `UserError` when there is none, and `NotReadable` for a path that is not there.
    """
    found: dict[Path, Path | None] = {}
    for name in names:
        path = Path(name)
        if not path.exists() and name in library():
            path = library()[name].parent
        if not path.exists():
            raise NotReadable(f"there is no file or folder `{name}`, and no library capsule of that name")
        capsule = path if path.is_file() and path.name.endswith(SUFFIX) else None
        if path.is_file() and capsule is None:
            found[path] = None
            continue
        below = sorted((capsule.parent / TESTS).glob("*")) if capsule is not None else files_below(path)
        for one in filter(is_test, below):
            found.setdefault(one, capsule)
    if not found:
        raise _no_tests(names)
    return found


def _no_tests(names: Sequence[str]) -> UserError:
    places = ", ".join(f"`{name}`" for name in names or ["."])
    return UserError(f"there are no tests in {places}: they lie in `{TESTS}/*.yaml` beside a capsule")


def _tests(read: Read, capsule: Path | None) -> bool:
    """Whether the file tests this capsule; where none is asked for, or it is not clear, it does."""
    return capsule is None or read.capsule is None or read.capsule.resolve() == capsule.resolve()
