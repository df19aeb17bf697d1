"""A PostgreSQL for this folder, and workers on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import VARIABLE, address_for, server
from servers import Serve, serving
from somagent_shell import Shell


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
    with serving(somagent, "--lease", "1s", "--store", store, "--parallel", "4") as begin:
        yield begin


@pytest.fixture
def said(somagent: Shell) -> Callable[[str], str]:
    """What a worker said."""
    return lambda name: (somagent.folder / f"{name}.log").read_text()
