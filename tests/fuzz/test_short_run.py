"""A short run of the driver, as a user starts it; the long ones are started by hand (`python tests/fuzz/drive.py`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DRIVER = Path(__file__).with_name("drive.py")


def drive(folder: Path, hash_seed: int, inputs: int) -> tuple[int, str]:
    command = [sys.executable, DRIVER, "--inputs", str(inputs), "--seed", "2026", "--folder", folder]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


def test_no_input_breaks_the_language_and_all_answers_are_the_same_under_another_hash_seed(tmp_path):
    first, second = drive(tmp_path / "1", 1, 600), drive(tmp_path / "2", 2, 600)
    for code, told in (first, second):
        kept = "\n".join(path.read_text() for path in sorted(tmp_path.glob("*/*.txt")))
        assert code == 0, f"{told}\n{kept}"
    outcomes = [told.rsplit("outcomes ", 1)[1] for _, told in (first, second)]
    assert outcomes[0] == outcomes[1]


def test_what_once_broke_the_language_does_not_break_it_again():
    kept = sorted(path for path in DRIVER.with_name("found").iterdir() if path.is_file())
    done = subprocess.run([sys.executable, DRIVER, *kept], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(kept)} files, 0 failures" in done.stdout
