"""The policy that docs/argo.md shows lets a tenant's runs go on in their prefix, and nobody else near them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import EXAMPLES
from tenants_store import TenantsStore, tenants_store

POLICY = EXAMPLES / "argo" / "tenant.policy.json"
COMMAND = Path(sys.executable).with_name("somagent")
RUN = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from bucket_place import Place

place = Place(Path(sys.argv[1]))
place.submit("    a: { script: { run: 'echo hello; sleep 6' } }\\n")  # what it writes is kept before it ends
assert place.do("--ends-run", "step", "a") == (0, "hello\\n")
print(place.address, place.run)
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TenantsStore]:
    with tenants_store(tmp_path) as store:
        yield store


def test_tenants_work_in_their_prefix_and_see_nothing_of_others(store: TenantsStore, tmp_path: Path) -> None:
    users = {name: store.user(name) for name in ("acme", "acme-keeper", "globex")}
    store.put("/runs")
    store.put("/runs", "policy=", POLICY.read_bytes())
    support = Path(__file__).parent.parent / "support"

    def run_of(name: str, prefix: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **users[name], "OBJECTS": f"s3://runs/{prefix}", "PYTHONPATH": str(support)}
        (tmp_path / name).mkdir(exist_ok=True)
        words = [sys.executable, "-c", RUN, str(tmp_path / name)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def somagent(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["--engine", "argo", "--runs", runs, "--data-dir", str(tmp_path / f"data-{name}")]
        environment = {**os.environ, **users[name]}
        return subprocess.run(
            [COMMAND, *words, *where], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    done = run_of("acme", "acme")
    assert done.returncode == 0, done.stderr
    runs, run = done.stdout.split()
    assert [one["id"] for one in json.loads(somagent("acme", "runs", "--output", "json").stdout)] == [run]
    assert somagent("acme", "doctor").returncode == 0
    started = time.monotonic()
    for words in (["globex", "runs"], ["globex", "show", run], ["acme", "prune", "--older-than", "0s"]):
        refused = somagent(*words)
        assert (refused.returncode, "was refused" in refused.stderr) == (2, True), refused.stderr
    assert run_of("globex", "acme").returncode != 0
    assert time.monotonic() - started < 60  # nobody waits for a store that has answered
    assert somagent("acme", "doctor").returncode == 0
    pruned = somagent("acme-keeper", "prune", "--older-than", "0s")
    assert (pruned.returncode, pruned.stdout) == (0, f"{run}\n"), pruned.stderr
