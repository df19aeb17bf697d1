"""A kubeconfig of a cluster that does not answer."""

from __future__ import annotations

import json
from pathlib import Path

ADDRESS = "http://127.0.0.1:9"


def kubeconfig_of_no_cluster(folder: Path) -> Path:
    """Its file, written there."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": ADDRESS}}],
        "users": [{"name": "c", "user": {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
