"""The cluster is the one that kubectl would take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from no_cluster import ADDRESS, kubeconfig_of_no_cluster

ASKED = """\
from somagent.workflows.engines.argo.cluster import Cluster
from somagent.workflows.engines.protocol import EngineError
try:
    print(Cluster().host)
except EngineError as error:
    print("refused:", error)
"""


def cluster_named(kubeconfig: str, home: Path) -> str:
    """What a process of its own finds: the client reads the variable when it is imported."""
    pytest.importorskip("kubernetes", reason="needs the extra `argo`")
    environment = {**os.environ, "KUBECONFIG": kubeconfig, "HOME": str(home)}
    asked = [sys.executable, "-c", ASKED]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_where_none_is_named_that_is_all_that_is_said(tmp_path: Path) -> None:
    way_out = "set KUBECONFIG, or give the file ~/.kube/config"
    assert cluster_named("", tmp_path) == f"refused: no cluster is named: Service host/port is not set; {way_out}"


def test_the_variable_may_list_files(tmp_path: Path) -> None:
    (tmp_path / "more").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "clusters": []}))
    assert cluster_named(f"{tmp_path / 'more'}:{kubeconfig_of_no_cluster(tmp_path)}", tmp_path) == ADDRESS


def test_the_file_in_the_home_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig_of_no_cluster(tmp_path).rename(tmp_path / ".kube" / "config")
    assert cluster_named("", tmp_path) == ADDRESS
