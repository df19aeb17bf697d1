"""A run that an older program began is completed by this one; an older program leaves what it does not know alone."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import json
from somagent_shell import Shell

# The variable with the key had another name in programs of version 1.
PARKED = """\
  inputs: { marks: { type: string, format: path } }
  steps:
    build:
      script:
        env: { MARKS: "${{ inputs.marks }}" }
        run: |
          echo "${SOMAGENT_IDEMPOTENCY_KEY:-$SOMAGENT_KEY}" >> "$MARKS"
          echo "files=41" >> "$SOMAGENT_OUTPUT"
          seq 9999 > big.txt
      outputs: { files: { type: integer }, big: { type: artifact, path: big.txt } }
    agree:
      review:
        title: Publish ${{ steps.build.files }} files?
        reviewers: { users: [ana, bo, cy], count: 2 }
        show: [steps.build.files, steps.build.big]
        due: 31d
    each:
      forEach: "${{ ['x', 'y'] }}"
      review: { title: "Take ${{ item }}?" }
    publish:
      needs: [agree, each]
      script:
        env: { MARKS: "${{ inputs.marks }}", BIG: "${{ steps.build.big }}", FILES: "${{ steps.build.files }}" }
        run: |
          echo "${SOMAGENT_IDEMPOTENCY_KEY:-$SOMAGENT_KEY}" >> "$MARKS"
          echo "lines=$(wc -l < "$BIG")" >> "$SOMAGENT_OUTPUT"
      outputs: { lines: { type: integer } }
  outputs: { lines: "${{ steps.publish.lines }}", by: "${{ steps.agree.by }}" }
"""
CUT = """\
  inputs: { marks: { type: string, format: path } }
  steps:
    first: { script: { env: { MARKS: "${{ inputs.marks }}" }, run: 'echo first >> "$MARKS"' } }
    waits:
      needs: [first]
      retry: { attempts: 2, backoff: 30m }
      script: { env: { MARKS: "${{ inputs.marks }}" }, run: 'echo waits >> "$MARKS"; exit 75' }
    cut:
      needs: [first]
      script:
        env: { MARKS: "${{ inputs.marks }}" }
        run: |
          echo "cut $SOMAGENT_ATTEMPT ${SOMAGENT_IDEMPOTENCY_KEY:-$SOMAGENT_KEY}" >> "$MARKS"
          [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60
"""
LATE = """\
  steps:
    ask: { review: { title: "Go on?", due: 1s, onTimeout: approve } }
    after: { needs: [ask], script: { run: echo after } }
"""

_OF_VERSION_2 = (("prune", "--older-than", "0s"), ("retry", "last"), ("doctor",), ("backup", "copy"))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def entries(somagent: Shell) -> list[dict[str, Any]]:
    return [json.decode(line) for line in somagent("audit").out.splitlines()]


@pytest.fixture
def parked(somagent: Shell, old: Any) -> str:
    """A run that an older program began and parked, with one of two approvals; `agree` waits for a month at most."""
    name = somagent.capsule("parked", PARKED)
    assert old("run", name, "--input", "marks=marks", "--as", "dan").code == 3
    assert old("approve", "last", "agree", "--as", "ana", "--comment", "fine", "--no-resume").code == 0
    (run,) = old("runs", "--output", "json").json
    (somagent.folder / name).unlink()
    return str(run["id"])


def test_what_was_parked_under_an_older_program_is_completed_by_this_one(somagent: Shell, parked: str) -> None:
    for reader in (("runs",), ("show", parked), ("logs", parked), ("artifacts", parked), ("report", parked)):
        assert somagent(*reader).code == 0
    shown = somagent("show", parked, "--output", "json").json
    assert (shown["phase"], shown["steps"]["agree"]["waiting"]["count"]) == ("Waiting", 2)
    assert somagent("approve", parked, "each/0", "--as", "cy").code == 3
    assert somagent("approve", parked, "each/1", "--as", "cy").code == 3
    again = somagent("approve", parked, "agree", "--as", "Ana", "--no-resume")
    assert (again.code, "Ana has decided on step `agree` already" in again.err) == (2, True)
    done = somagent("approve", parked, "agree", "--as", "bo", "--output", "json")
    assert (done.code, done.json["phase"]) == (0, "Succeeded")
    assert done.json["outputs"] == {"lines": 9999, "by": ["ana", "bo"]}
    assert lines(somagent.folder / "marks") == [f"{parked}/build", f"{parked}/publish"]
    assert somagent("doctor").code == 0
    carried = [entry for entry in entries(somagent) if entry.get("carriedOver")]
    assert [(one["kind"], one["run"]) for one in carried] == [("submit", parked), ("decision", parked)]
    assert [one["by"] for one in entries(somagent) if one["kind"] == "decision"] == ["ana", "cy", "cy", "bo"]
    assert somagent("audit", "verify").code == 0
    assert somagent("retry", parked, "--from", "publish").code == 0


def test_what_an_older_program_was_killed_at_goes_on_here(somagent: Shell, old: Any) -> None:
    name = somagent.capsule("cut", CUT)
    command = [old.program, "run", name, "--input", "marks=marks", "--output", "json"]
    process = subprocess.Popen(command, cwd=old.folder, env=old.environment(), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while len(lines(somagent.folder / "marks")) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        while True:  # until it is written down that `waits` is tried again
            step = somagent_show(old)["steps"]["waits"]
            if step["attempts"] == 1 and step["phase"] == "Pending" and "failure" in step:
                break
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (run,) = somagent("runs", "--output", "json").json
    assert run["phase"] == "Pending"
    on = somagent.start("resume", "last")
    until = time.monotonic() + 30
    while somagent("show", "last", "--output", "json").json["steps"]["cut"]["phase"] != "Succeeded":
        assert time.monotonic() < until
    assert somagent("show", "last", "--output", "json").json["steps"]["waits"]["attempts"] == 1  # for half an hour
    assert somagent("cancel", "last").code == 0
    assert on.wait(30) == 4
    on.communicate()
    marks = sorted(lines(somagent.folder / "marks"))
    assert marks == [f"cut 1 {run['id']}/cut", f"cut 2 {run['id']}/cut", "first", "waits"]


def somagent_show(old: Any) -> Any:
    return old("show", "last", "--output", "json").json


def test_a_due_date_that_an_older_program_set_holds_here(somagent: Shell, old: Any) -> None:
    assert old("run", somagent.capsule("late", LATE)).code == 3
    time.sleep(1.1)
    late = somagent("approve", "last", "ask", "--as", "ana")
    assert (late.code, "the time to decide ended at" in late.err) == (2, True)
    assert somagent("resume", "last", "--output", "json").json["phase"] == "Succeeded"


def test_an_older_program_refuses_what_this_one_wrote_and_changes_nothing(
    somagent: Shell, old: Any, program: Any, everything_in: Callable[[], dict[str, bytes]]
) -> None:
    name = somagent.capsule("parked", PARKED)
    assert somagent("run", name, "--input", "marks=marks", "--as", "dan").code == 3
    before, marks = everything_in(), lines(somagent.folder / "marks")
    for command in (
        ("runs",),
        ("show", "last"),
        ("logs", "last"),
        ("resume", "last"),
        ("approve", "last", "agree", "--as", "ana"),
        ("reject", "last", "agree", "--as", "ana"),
        ("cancel", "last"),
        ("run", name, "--input", "marks=marks"),
        *(
            [("prune", "--older-than", "0s"), ("retry", "last"), ("doctor",), ("backup", "copy")]
            if program.version > 1
            else []
        ),
    ):
        refused = old(*command)
        said = refused.err + refused.out
        assert refused.code != 0, command
        assert f"was written by a newer SomaGent (journal version 3, this one knows {program.version})" in said, command
        assert "Traceback" not in said
    assert everything_in() == before
    assert lines(somagent.folder / "marks") == marks
    assert not (somagent.folder / "copy").exists()
    for step in ("agree", "each/0", "each/1"):
        assert somagent("approve", "last", step, "--as", "ana").code == 3
    assert somagent("approve", "last", "agree", "--as", "bo").code == 0
    assert somagent("audit", "verify").code == 0
