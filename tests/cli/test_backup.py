"""`somagent backup` when a file is damaged, gone, or finds no room: all of it, or nothing and the reason."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from somagent_shell import COMMAND, Ended, Shell

from somagent.workflows.limits import read_limits

SPEC = "  steps: { a: { script: { run: seq 90000 } } }\n"
LIMITS = """\
apiVersion: somagent.io/v1alpha1
kind: Limits
spec: { operators: { script: { maxParallel: 1 } } }
"""
PAGE = 4096


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a run that wrote half a million bytes of log."""
    somagent = Shell(tmp_path_factory.mktemp("made"))
    assert somagent("run", somagent.capsule("a", SPEC)).code == 0
    return somagent.folder / ".somagent"


@pytest.fixture
def directory(made: Path, somagent: Shell) -> Path:
    """One of its own."""
    return shutil.copytree(made, somagent.folder / ".somagent")


def limited(somagent: Shell, blocks: int) -> Ended:
    """A backup by a shell in which no file grows beyond so many KiB."""
    command = ["bash", "-c", f"ulimit -f {blocks}; exec {COMMAND} backup copy"]
    done = subprocess.run(
        command, cwd=somagent.folder, env=somagent.environment(), capture_output=True, text=True, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_a_backup_has_the_limits_of_its_original(somagent: Shell, directory: Path) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS)
    somagent.write(".somagent/identity/identity.yaml", "as people wrote it")
    assert somagent("backup", "copy").code == 0
    copy = somagent.folder / "copy"
    assert read_limits(copy) == read_limits(directory) != read_limits(somagent.folder)
    passing = {"lease", "work", "journal.sqlite3-shm", "journal.sqlite3-wal"}  # of processes at work
    assert names(directory) - names(copy) <= passing


@pytest.mark.parametrize(
    ("blocks", "file", "reason"),
    [(20, "journal.sqlite3", "disk I/O error"), (200, "logs/RUN/a.1.log", "file too large")],
)
def test_a_target_that_takes_no_more_is_said_and_nothing_is_left_of_it(
    somagent: Shell, directory: Path, blocks: int, file: str, reason: str
) -> None:
    (run,) = (one.name for one in (directory / "logs").iterdir())
    full = limited(somagent, blocks)
    place = directory / file.replace("RUN", run)
    way_out = "make room, or name a folder on another disk"
    assert (full.code, full.err) == (5, f"error: cannot copy {place} to copy: {reason}; {way_out}\n")
    assert names(somagent.folder) == {".somagent"}


def test_a_target_that_cannot_be_made_is_said(somagent: Shell, directory: Path) -> None:
    somagent.write("file", "")
    refused = somagent("backup", "file/copy")
    way_out = "name a folder that can be made and be written to"
    said = f"error: cannot copy {directory} to file/copy: not a directory; {way_out}\n"
    assert (refused.code, refused.err) == (2, said)


def test_a_damaged_journal_is_not_copied(somagent: Shell, directory: Path) -> None:
    with (directory / "journal.sqlite3").open("r+b") as journal:
        journal.seek(5 * PAGE)
        journal.write(b"\xa5" * 3 * PAGE)
    refused = somagent("backup", "copy")
    assert refused.code == 5
    assert refused.err.startswith(f"error: the journal {directory}/journal.sqlite3 is damaged (")
    assert "To start afresh, move it away" in refused.err
    assert names(somagent.folder) == {".somagent"}


def test_a_record_that_somebody_wrote_past_the_program_is_copied_for_the_doctor(
    somagent: Shell, directory: Path
) -> None:
    with closing(sqlite3.connect(directory / "journal.sqlite3", isolation_level=None)) as db:
        db.execute("UPDATE results SET record = '{'")
    assert somagent("backup", "copy").code == 0
    assert "has a record that cannot be read" in somagent("doctor", "--data-dir", "copy").out


def test_what_is_written_or_removed_meanwhile_keeps_no_backup_from_being_made(somagent: Shell, directory: Path) -> None:
    """A report has another name while it is written, and is gone under that name when it is read."""
    (directory / "reports" / "r-half.html.partial").write_text("<htm")
    (directory / "reports" / "r-gone.html").symlink_to("r-renamed.html.partial")
    (directory / "logs" / "r-pruned").symlink_to("r-removed")
    assert somagent("backup", "copy").code == 0
    copied = {folder: names(somagent.folder / "copy" / folder) for folder in ("logs", "reports")}
    assert names(directory / "reports") - copied["reports"] == {"r-half.html.partial", "r-gone.html"}
    assert names(directory / "logs") - copied["logs"] == {"r-pruned"}
    assert somagent("doctor", "--data-dir", "copy").code == 0
