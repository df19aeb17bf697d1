"""A PostgreSQL for this folder, and workers on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import VARIABLE, address_for, server
from somagent_shell import COMMAND, Shell

Serve = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(scope="module")
def database() -> Iterator[None]:
    """A server for this module, unless the suite has one."""
    if VARIABLE in os.environ:
        yield
        return
    with server():
        yield


@pytest.fixture
def store(database: None, tmp_path: Path) -> str:
    """The address of tables of this test's own."""
    return address_for(tmp_path)


@pytest.fixture
def serve(somagent: Shell, store: str) -> Iterator[Serve]:
    """Starts a worker; what it says goes to `NAME.log`."""
    started: list[subprocess.Popen[str]] = []

    def begin(name: str) -> subprocess.Popen[str]:
        with (somagent.folder / f"{name}.log").open("w") as log:
            command = [str(COMMAND), "serve", "--engine", "--lease", "1s", "--store", store, "--parallel", "4"]
            environment = somagent.environment()
            started.append(subprocess.Popen(command, cwd=somagent.folder, stderr=log, env=environment, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def said(somagent: Shell) -> Callable[[str], str]:
    """What a worker said."""
    return lambda name: (somagent.folder / f"{name}.log").read_text()
