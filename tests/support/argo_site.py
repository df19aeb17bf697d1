"""A namespace of a real cluster in which capsules run, and the command line that a user of it has.

Found by the environment: `KUBECONFIG`; `SOMAGENT_IMAGE`, the step runner's; `S3_ENDPOINT`, `S3_BUCKET` and `AWS_*`, an
object store, which pods reach at `$S3_ENDPOINT_PODS` (default: the same, but for a store of this machine at
`$RIG_NODE_IP`). The namespace is `$SOMAGENT_NAMESPACE`, default `somagent`: Argo can keep logs and artifacts there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("KUBECONFIG", "SOMAGENT_IMAGE", "S3_ENDPOINT", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
COMMAND = Path(sys.executable).with_name("somagent")
SECRET = "somagent-runs"
HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: demo }\nspec:\n"


class Site:
    """A prepared namespace, a bucket's prefix of its own, and a folder for capsules."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            pytest.skip(f"needs Argo, an object store and the runner's image: set {', '.join(missing)}")
        self.folder = folder
        self.namespace = os.environ.get("SOMAGENT_NAMESPACE", "somagent")
        self.runs = f"s3://{os.environ['S3_BUCKET']}/tests/{os.urandom(4).hex()}"
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": os.environ["S3_ENDPOINT"],
            "SOMAGENT_ENGINE": "argo",
            "SOMAGENT_RUNS": self.runs,
            "SOMAGENT_RUNS_SECRET": SECRET,
            "SOMAGENT_NAMESPACE": self.namespace,
            "SOMAGENT_DATA_DIR": str(folder / "data"),
        }

    def prepare(self) -> None:
        """What a platform team applies once: accounts, rights, and how pods reach the store."""
        self.kubectl("apply", "-f", "-", text=json.dumps(store_secret()))
        capsule = self.write("  steps: { a: { script: { run: 'true' } } }\n")
        emitted = self.somagent("compile", "--target", "argo", "--namespace", self.namespace, str(capsule))
        self.kubectl("apply", "-f", "-", text=emitted.stdout)

    def write(self, spec: str, name: str = "demo") -> Path:
        """A capsule's file."""
        path = self.folder / f"{name}.capsule.yaml"
        path.write_text(HEAD.replace("demo", name) + spec, encoding="utf-8")
        return path

    def somagent(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        given = {**self.environment, **(env or {})}
        done = subprocess.run([COMMAND, *words], env=given, capture_output=True, text=True, timeout=600, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on."""
        pipe = subprocess.PIPE
        return subprocess.Popen([COMMAND, *words], env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def begin(self, spec: str, *words: str) -> str:
        """The id of a run that was submitted."""
        capsule = self.write(spec)
        done = self.somagent("run", str(capsule), "--as", "ada", "--detach", "--output", "json", *words)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])

    def followed(self, run: str) -> dict[str, Any]:
        """The run when it has ended or only waits for people."""
        done = self.somagent("resume", run, "--output", "json")
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def shown(self, run: str) -> dict[str, Any]:
        """The run as it stands."""
        return dict(json.loads(self.somagent("show", run, "--output", "json").stdout))

    def until(self, run: str, holds: Callable[[dict[str, Any]], bool], patience_s: float = 240) -> dict[str, Any]:
        """The run as soon as that holds of it."""
        end = time.monotonic() + patience_s
        while not holds(found := self.shown(run)):
            assert time.monotonic() < end, found
            time.sleep(0.5)
        return found

    def workflow(self, run: str) -> dict[str, Any]:
        """What the cluster has of the run."""
        return dict(json.loads(self.kubectl("get", "workflow", run, "-o", "json")))

    def ended(self, name: str, patience_s: float = 300) -> dict[str, Any]:
        """The Workflow when Argo has ended it, which is a moment after the run has."""
        end = time.monotonic() + patience_s
        while (found := self.workflow(name)).get("status", {}).get("phase") not in {"Succeeded", "Failed", "Error"}:
            assert time.monotonic() < end, found
            time.sleep(1)
        return found

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What it prints."""
        return kubectl(self.namespace, *words, text=text)


def store_secret() -> dict[str, Any]:
    """The Secret by which pods reach the object store."""
    here = os.environ["S3_ENDPOINT"]
    node = os.environ.get("RIG_NODE_IP", "127.0.0.1")
    reached = os.environ.get("S3_ENDPOINT_PODS", here.replace("127.0.0.1", node))
    values = {name: os.environ[name] for name in NEEDED[-2:]}
    values |= {"AWS_ENDPOINT_URL": reached, "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1")}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": values}


def kubectl(namespace: str, *words: str, text: str | None = None) -> str:
    """What it prints."""
    done = subprocess.run(
        ["kubectl", "-n", namespace, *words], input=text, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
