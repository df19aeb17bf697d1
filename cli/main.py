"""The entry point: one command line in, one exit code out; whatever goes wrong is one clear message."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any

from somagent.cli import streams
from somagent.cli.exits import Exit, UserError


def main() -> None:
    """Runs the command of `sys.argv` and ends the process."""
    gc.disable()  # a command is short, and most of what it makes it keeps; `run` turns it on again
    streams.prepare()
    try:
        exit_code = run_command(sys.argv[1:])
    finally:
        streams.endure()  # what is left to be written when Python ends
    if "obstore" in sys.modules:  # a thread of that library which outlives the interpreter aborts the process
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def run_command(argv: list[str]) -> int:
    """Runs a command and returns its exit code."""
    from somagent.cli.arguments import parse_arguments  # noqa: PLC0415  argparse takes 10 ms: imported where it is used

    arguments: Any = None
    try:
        arguments = parse_arguments(argv)
        if arguments.version:
            from somagent.cli.commands import version  # noqa: PLC0415

            return version.run(arguments)
        module = import_module(f"somagent.cli.commands.{arguments.command}")
        exit_code: int = module.run(arguments)
        sys.stdout.flush()
    except UserError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _say("stopped", Exit.INTERRUPTED)
    except streams.OutputLost as lost:  # of commands that do nothing but print; the output of others endures
        return Exit.OK if lost.unread else _say(str(lost), Exit.USAGE)
    except Exception as error:  # a fault of ours: said as such, with what a maintainer needs kept in a file
        known = _known(error, arguments)
        return known if known is not None else _fault(error)
    return exit_code


def _known(error: Exception, arguments: Any) -> int | None:
    """The exit of an error that lower parts raise for people to act on."""
    from somagent.cli.translate import user_error  # noqa: PLC0415  imports the engines, which only a failure needs

    translated = user_error(error, arguments)
    return None if translated is None else _say(str(translated), translated.exit_code)


def _fault(error: Exception) -> int:
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    told = "".join(traceback.format_exception(error))
    said = f"this is a fault of SomaGent, not of your capsule: {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="somagent-fault-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(told)
    except OSError:  # no room, or nowhere to write
        return _say(f"{said}\n  please report it with this:\n{told}", Exit.FAULT)
    return _say(f"{said}\n  please report it with the file {file.name}", Exit.FAULT)


def _say(message: str, exit_code: Exit) -> int:
    from somagent.cli.printing import visible  # noqa: PLC0415

    streams.endure()
    sys.stdout.flush()
    text = visible(message)
    sys.stderr.write(f"error: {text}\n" if exit_code != Exit.INTERRUPTED else f"{text}\n")
    return exit_code
