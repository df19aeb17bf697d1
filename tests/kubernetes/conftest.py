"""A real API server, found through KUBECONFIG, that knows capsules; each test session has a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CRD = Path(__file__).parents[2] / "charts" / "somagent" / "crds" / "capsule.yaml"
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration for the cluster whose namespace is this session's own; the cluster knows the committed CRD."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("needs a Kubernetes API server and kubectl: set KUBECONFIG (CONTRIBUTING.md says how to get one)")
    path = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    shutil.copy(os.environ["KUBECONFIG"], path)
    kubectl = _kubectl(path)
    namespace = f"capsules-{uuid.uuid4().hex[:8]}"
    for command in (
        ["apply", "--server-side", "--force-conflicts", "-f", str(CRD)],
        ["create", "namespace", namespace],
        ["config", "set-context", "--current", "--namespace", namespace],
    ):
        done = kubectl(*command)
        assert done.returncode == 0, done.stderr
    _until_published(kubectl)
    yield path
    kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    """Runs kubectl in the session's namespace; the answer is not checked."""
    return _kubectl(kubeconfig)


def _kubectl(kubeconfig: Path) -> Kubectl:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        return subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    return run


def _until_published(kubectl: Kubectl) -> None:
    """A definition is in the server's OpenAPI document, which kubectl reads, a moment after it is established."""
    deadline = time.monotonic() + 60
    while "FIELD" not in kubectl("explain", "capsule.spec").stdout:
        assert time.monotonic() < deadline, "the API server does not explain capsules"
        time.sleep(0.5)
