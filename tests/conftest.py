"""What all tests share: golden files are written by one flag only, and CI fails on skips."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from somagent_shell import Shell

REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-goldens", action="store_true", help="write the golden files anew; read the diff")
    parser.addoption("--postgres", action="store_true", help="keep the rows of runs in PostgreSQL, where a test can")
    parser.addoption("--objects", action="store_true", help="keep what the step runner records in an object store")


def pytest_configure(config: pytest.Config) -> None:
    """Starts a server, unless $DATABASE_URL names one; the processes of pytest-xdist use that of the first one."""
    if config.getoption("--postgres") and not hasattr(config, "workerinput"):
        import databases

        server = databases.server()
        server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with a golden file, byte by byte; a missing file is a failure unless the flag is given."""
    write = request.config.getoption("--write-goldens")

    def compare(path: Path, text: str) -> None:
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; pytest --write-goldens writes it"
        assert path.read_text(encoding="utf-8") == text

    return compare


@pytest.fixture
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture
def somagent(tmp_path: Path) -> Iterator[Shell]:
    """The command, in a folder of its own; what a test left running there is ended with it."""
    shell = Shell(tmp_path)
    yield shell
    shell.end()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits up to 20 s for something to become true."""

    def wait(happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end, "it did not happen within 20 s"
            time.sleep(0.02)

    return wait


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """In CI everything can run: `.ci/run` installs what it needs, so a skip hides something."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
