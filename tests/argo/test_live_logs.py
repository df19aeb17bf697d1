"""What a step in a pod writes is shown while it writes it, on a real cluster; each line once, and all of them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argo_site import COMMAND, Site

SLOW = """\
  steps:
    slow_:
      script:
        run: 'for i in $(seq 30); do echo "line $i"; sleep 2; done; printf end'
        resources: { memory: 64Mi }
    after: { needs: [slow_], script: { run: echo after } }
"""
LINES = [*(f"slow_ | line {number}" for number in range(1, 31)), "slow_ | end", "after | after"]
RULES = [
    {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"]},
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.prepare()
    yield site
    for run in json.loads(site.somagent("runs", "--output", "json").stdout):
        site.kubectl("delete", "workflow", run["id"], "--ignore-not-found", "--wait=false")


def followed(site: Site, run: str, **environment: str) -> tuple[list[tuple[float, str]], str]:
    """The lines with the times at which they came, and what was said beside them."""
    command, given = [COMMAND, "logs", run, "--follow"], {**site.environment, **environment}
    with subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [(time.monotonic(), line.rstrip("\n")) for line in process.stdout]
        return lines, process.stderr.read()


def test_lines_come_while_the_step_is_at_work_and_none_comes_twice(site):
    run = site.begin(SLOW)
    lines, said = followed(site, run)
    assert ([line for _, line in lines], said) == (LINES, "")
    came = [at for at, _ in lines[:30]]
    assert came[29] - came[25] > 4  # they were written over 8 seconds, and not shown all at once
    labels = [one["metadata"]["labels"] for one in _pods(site, run)]
    assert {(one.get("somagent.io/step"), one.get("somagent.io/verdict")) for one in labels} == {
        ("slow", "audit"),  # a label does not end with an underscore
        ("after", "audit"),
    }


def test_without_the_right_to_logs_it_is_named_and_the_records_are_shown(site):
    account = f"reader-{os.urandom(3).hex()}"
    site.kubectl("create", "serviceaccount", account)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": account}, "rules": RULES}
    site.kubectl("create", "-f", "-", text=json.dumps(role))
    site.kubectl("create", "rolebinding", account, f"--role={account}", f"--serviceaccount={site.namespace}:{account}")
    config = json.loads(site.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    for user in config["users"]:
        user["user"] = {"token": site.kubectl("create", "token", account).strip()}
    (site.folder / "kubeconfig").write_text(json.dumps(config))
    run = site.begin(SLOW)
    lines, said = followed(site, run, KUBECONFIG=str(site.folder / "kubeconfig"))
    for kind in ("rolebinding", "role", "serviceaccount"):
        site.kubectl("delete", kind, account)
    assert [line for _, line in lines] == LINES
    assert 'cannot get resource "pods/log"' in said
    assert "what a step writes is shown when its attempt is over" in said


def _pods(site: Site, run: str) -> list[dict]:
    found = site.kubectl("get", "pods", "-l", f"somagent.io/run={run}", "-o", "json")
    return list(json.loads(found)["items"])
