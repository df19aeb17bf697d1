"""A test that fails in the middle leaves nothing running: neither the commands that it started nor their scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts_left import end_scripts
from somagent_shell import Shell
from terminal import Terminal

Wait = Callable[[Callable[[], bool]], None]
LONG = "  steps: { a: { script: { run: \"trap '' TERM; touch ../../NAME; sleep 60\" } } }\n"


def test_what_a_test_started_ends_with_it(tmp_path: Path, wait_until: Wait) -> None:
    shell = Shell(tmp_path)
    process = shell.start("run", shell.capsule("one", LONG.replace("NAME", "begun")))
    wait_until(lambda: any((tmp_path / ".somagent").rglob("begun")))
    with Terminal(shell, "run", shell.capsule("two", LONG.replace("NAME", "second")), "--data-dir", "other"):
        wait_until(lambda: any((tmp_path / "other").rglob("second")))
    shell.end()
    assert process.returncode is not None
    assert end_scripts(tmp_path) == []
