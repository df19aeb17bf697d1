"""What a dead process leaves behind is ended before anything else is said or done about its run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from somagent_shell import Shell

Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def stubborn(somagent: Shell) -> str:
    """A capsule whose script ignores TERM and writes its process id down."""
    return somagent.capsule(
        "stubborn",
        """\
  inputs: { note: { type: string, format: path, default: pid } }
  steps:
    nap: { script: { run: "trap '' TERM; echo $$ > $NOTE; sleep 40 & sleep 41", env: { NOTE: "${{ inputs.note }}" } } }
""",
    )


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def noted(somagent: Shell) -> int:
    text = (somagent.folder / "pid").read_text() if (somagent.folder / "pid").exists() else ""
    return int(text) if text.endswith("\n") else 0


def test_cancelling_the_run_of_a_dead_process_ends_its_scripts(
    somagent: Shell, stubborn: str, wait_until: Wait
) -> None:
    process = somagent.start("run", stubborn)
    wait_until(lambda: noted(somagent) > 0)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    assert alive(noted(somagent))
    cancelled = somagent("cancel", "last", "--output", "json")
    assert (cancelled.code, cancelled.json["phase"]) == (0, "Cancelled")
    assert not alive(noted(somagent))


def test_a_closed_terminal_ends_scripts_and_leaves_a_run_to_go_on_with(
    somagent: Shell, stubborn: str, wait_until: Wait
) -> None:
    process = somagent.start("run", stubborn)
    wait_until(lambda: noted(somagent) > 0)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert not alive(noted(somagent))
    assert somagent("show", "last", "--output", "json").json["phase"] == "Pending"
