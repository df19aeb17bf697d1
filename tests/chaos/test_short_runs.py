"""Short runs of the campaigns, as a user starts them (`make chaos`, `make failpoints`, `make mutants`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MUTANTS = sorted((HERE / "mutants").glob("*.patch"))


def campaign(folder: Path, name: str, *arguments: object, code: int = 0) -> str:
    command = [sys.executable, HERE / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_runs_that_are_killed_at_random_moments_come_out_right(tmp_path):
    told = campaign(tmp_path, "kills", "--kills", 8, "--jobs", 2)
    assert "killed processes" in told


def test_every_call_that_changes_the_data_directory_has_a_name_and_may_fail(tmp_path):
    """All names are reached by the deeds that are recorded first; of what may happen there, one in 200 is tried."""
    told = campaign(tmp_path, "failpoints", "--every", 200, "--jobs", 2)
    assert "158 of 158 places in 6 deeds reached" in told


def test_nothing_told_is_lost_with_the_power_unless_the_disk_lies_about_its_syncs(tmp_path):
    told = campaign(tmp_path, "power_loss", "--cuts", 140, "--jobs", 2)  # every place where the power may go, once
    assert "images of the disk                            140" in told
    lying = campaign(tmp_path, "power_loss", "--cuts", 60, "--jobs", 2, "--lying", code=1)
    assert "lost: the run" in lying


def test_the_judge_notices_an_engine_that_records_before_it_validates(tmp_path):
    assert "1 of 1 mutants caught" in campaign(tmp_path, "mutants", "--jobs", 2, "result-before-validation")


@pytest.mark.parametrize("patch", MUTANTS, ids=lambda patch: patch.stem)
def test_the_deliberate_bugs_still_fit_the_engine(patch, repository):
    command = ["git", "apply", "--check", "-p1", patch]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{patch.name} does not apply any more; write it anew: {done.stderr}"
