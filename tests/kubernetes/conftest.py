"""A real API server, found through KUBECONFIG, that knows capsules; each test session has a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CRD = Path(__file__).parents[2] / "charts" / "somagent" / "crds" / "capsule.yaml"
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """Runs kubectl against the cluster; the answer is not checked."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("needs a Kubernetes API server and kubectl: set KUBECONFIG (CONTRIBUTING.md says how to get one)")

    def kubectl(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    return kubectl


@pytest.fixture(scope="session")
def kubectl(cluster: Kubectl) -> Iterator[Kubectl]:
    """The same, in a namespace of its own, when the server knows the committed definition of capsules."""
    applied = cluster("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    assert applied.returncode == 0, applied.stderr
    namespace = f"capsules-{uuid.uuid4().hex[:8]}"
    assert cluster("create", "namespace", namespace).returncode == 0

    def inside(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return cluster("--namespace", namespace, *arguments, stdin=stdin)

    _until_published(inside)
    yield inside
    cluster("delete", "namespace", namespace, "--wait=false")


def _until_published(kubectl: Kubectl) -> None:
    """A definition is in the server's OpenAPI document, which kubectl reads, a moment after it is established."""
    deadline = time.monotonic() + 60
    while "FIELD" not in kubectl("explain", "capsule.spec").stdout:
        assert time.monotonic() < deadline, "the API server does not explain capsules"
        time.sleep(0.5)
