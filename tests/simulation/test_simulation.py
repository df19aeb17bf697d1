"""Short simulations, as a user starts them (`make simulate`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SIMULATE = Path(__file__).parent / "simulate.py"


def simulated(*arguments: object, code: int = 0, hash_seed: str = "random") -> str:
    command = [sys.executable, SIMULATE, *map(str, arguments)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_runs_in_simulated_worlds_come_out_right():
    told = simulated("--seeds", 100, "--jobs", 2)
    assert "seeds                                           100" in told


def test_the_same_seed_is_the_same_world_in_every_process():
    first, second = (simulated("--digests", "--seeds", 12, "--seed", 4232, hash_seed=one) for one in ("1", "2"))
    assert first == second
    assert [len(line.split()) for line in first.splitlines()] == [2] * 12


def test_seeds_that_found_a_bug_find_none_any_more():
    assert "in order; digest" in simulated("--found")
