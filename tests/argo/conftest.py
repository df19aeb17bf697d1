"""Who judges emitted objects: Argo's CRDs ($ARGO_CRDS), its lint ($RIG_BIN/argo), an API server ($KUBECONFIG)."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emitted import Emitted, all_emitted

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> list[Emitted]:
    """Every library capsule and every case of conformance, as a cluster is given them."""
    return list(all_emitted(tmp_path_factory.mktemp("cases")))


@pytest.fixture(scope="session")
def crds() -> Path:
    """The folder of Argo's full CRDs, the same version as the cluster."""
    folder = Path(os.environ.get("ARGO_CRDS", Path.home() / ".cache" / "somagent-rig" / "argo-crds"))
    if not folder.is_dir():
        pytest.skip("needs Argo's full CRDs: set ARGO_CRDS to manifests/base/crds/full of its repository")
    return folder


@pytest.fixture(scope="session")
def argo() -> str:
    """Argo's command."""
    found = shutil.which("argo", path=os.pathsep.join([os.environ.get("RIG_BIN", ""), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip("needs Argo's command `argo`, on PATH or in the folder that RIG_BIN names")
    return found


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    """Runs kubectl in a namespace of this session's own, on a cluster with Argo's CRDs."""
    if "KUBECONFIG" not in os.environ or shutil.which("kubectl") is None:
        pytest.skip("needs an API server with Argo's CRDs, and kubectl: set KUBECONFIG")
    namespace = f"emission-{uuid.uuid4().hex[:8]}"

    def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--namespace", namespace, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)

    made = run("create", "namespace", namespace)
    assert made.returncode == 0, made.stderr
    yield run
    run("delete", "namespace", namespace, "--wait=false")
