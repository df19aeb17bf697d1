"""Processes of `somagent serve --engine`, started by a test and gone with it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from somagent_shell import COMMAND, Shell

Serve = Callable[..., subprocess.Popen[str]]


@contextmanager
def serving(somagent: Shell, *always: str) -> Iterator[Serve]:
    """Gives what starts one, with options that all have and its own; what it says goes to `NAME.log`."""
    started: list[subprocess.Popen[str]] = []

    def begin(name: str, *options: str) -> subprocess.Popen[str]:
        command = [str(COMMAND), "serve", "--engine", *always, *options]
        with (somagent.folder / f"{name}.log").open("w") as log:
            started.append(
                subprocess.Popen(command, cwd=somagent.folder, stderr=log, env=somagent.environment(), text=True)
            )
        return started[-1]

    try:
        yield begin
    finally:
        for process in started:
            process.kill()
            process.wait()
