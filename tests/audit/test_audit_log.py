"""What people did is in the log, in the transaction of the deed; what was done past the program is found."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import json
from somagent_shell import Shell

from somagent.workflows.engines.local import audit

GATED = """\
  steps:
    ask: { review: { title: "Go on?", reviewers: { count: 2 } } }
    after: { needs: [ask], script: { run: echo after } }
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a run that was rejected and retried, half an approval, and a run that was cancelled."""
    shell = Shell(tmp_path_factory.mktemp("lived"))
    name = shell.capsule("gated", GATED)
    assert shell("run", name, "--as", "ana").code == 3
    assert shell("reject", "last", "ask", "--as", "bo", "--comment", "not yet").code == 0
    assert shell("retry", "last").code == 3
    assert shell("approve", "last", "ask", "--as", "cy", "--no-resume").code == 0
    assert shell("run", name, "--as", "ana").code == 3
    assert shell("cancel", "last", "--as", "ana").code == 0
    return shell.folder / ".somagent"


@pytest.fixture
def decided(somagent: Shell, lived: Path) -> Iterator[sqlite3.Connection]:
    """A copy of it, opened past the program."""
    shutil.copytree(lived, somagent.folder / ".somagent")
    with closing(sqlite3.connect(somagent.folder / ".somagent" / "journal.sqlite3", isolation_level=None)) as db:
        yield db


def test_everything_that_people_did_is_in_the_log(somagent: Shell, decided: sqlite3.Connection) -> None:
    entries = [json.decode(line) for line in somagent("audit").out.splitlines()]
    assert [entry["kind"] for entry in entries] == ["submit", "decision", "submit", "decision", "submit", "cancel"]
    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[0]["submitter"] == "ana"
    assert (entries[1]["by"], entries[1]["approve"], entries[1]["comment"]) == ("bo", False, "not yet")
    assert entries[1]["run"] == entries[0]["run"] == entries[2]["retryOf"]
    assert entries[5]["by"] == "ana"
    verified = somagent("audit", "verify", "--output", "json")
    assert (verified.code, verified.json) == (0, {"entries": 6, "head": entries[5]["hash"], "fault": None})
    assert somagent("audit", "verify", "--head", entries[2]["hash"]).code == 0
    assert "✓ audit log: 6 entries" in somagent("doctor").out


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET entry = replace(entry, '\"bo\"', '\"di\"') WHERE seq = 2", "entry 2: it was changed"),
        ("DELETE FROM audit WHERE seq = 3", "entry 3: it is number 4: entries were taken out"),
        ("UPDATE decisions SET record = replace(record, '\"bo\"', '\"di\"')", "the decision of di on `ask` of r-"),
        ("UPDATE decisions SET record = replace(record, '\"approve\":false', '\"approve\":true')", "decision of bo on"),
        ("DELETE FROM decisions WHERE seq = 1", "entry 2: its decision is not in the journal any more"),
        ("DELETE FROM audit WHERE seq > 5", "that ana cancelled r-"),
        ("UPDATE runs SET record = replace(record, '\"ana\"', '\"di\"')", "that di started r-"),
        ("UPDATE cancels SET person = 'di'", "that di cancelled r-"),
    ],
)
def test_what_was_changed_past_the_program_is_named(
    somagent: Shell, decided: sqlite3.Connection, statement: str, said: str
) -> None:
    assert decided.execute(statement).rowcount
    assert said in audit.check(somagent.folder / ".somagent").fault


def test_a_broken_log_is_an_error_of_the_commands(somagent: Shell, decided: sqlite3.Connection) -> None:
    assert decided.execute("DELETE FROM audit WHERE seq = 3").rowcount
    verified, doctor = somagent("audit", "verify"), somagent("doctor")
    assert (verified.code, verified.out.startswith("✗ entry 3: it is number 4")) == (1, True)
    assert (doctor.code, "✗ audit log: entry 3" in doctor.out) == (1, True)


def test_a_log_that_was_written_anew_has_not_the_hash_that_was_noted(
    somagent: Shell, decided: sqlite3.Connection
) -> None:
    noted = somagent("audit", "verify", "--output", "json").json["head"]
    somagent.write("kept.jsonl", somagent("audit").out)
    decided.executescript("DELETE FROM audit; DELETE FROM runs; DELETE FROM decisions; DELETE FROM cancels")
    assert somagent("audit", "verify").code == 0  # nothing is there, and it agrees with itself
    again = somagent("audit", "verify", "--head", noted)
    assert (again.code, f"no entry has the hash {noted}" in again.out) == (1, True)
    assert somagent("audit", "verify", "--file", "kept.jsonl", "--head", noted).code == 0
    somagent.write("kept.jsonl", (somagent.folder / "kept.jsonl").read_text().replace("not yet", "go on"))
    altered = somagent("audit", "verify", "--file", "kept.jsonl")
    assert (altered.code, "entry 2: it was changed" in altered.out) == (1, True)


def test_mistakes_on_the_command_line_are_said(somagent: Shell) -> None:
    assert "there are no runs in" in somagent("audit").err
    assert somagent("audit", "--head", "x").code == 2
    missing = somagent("audit", "verify", "--file", "none.jsonl")
    assert (missing.code, "none.jsonl" in missing.err) == (2, True)
