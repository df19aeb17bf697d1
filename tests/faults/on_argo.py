"""Runs on Argo, in the cluster of `KUBECONFIG`, and what is done to it.

Its servers are processes of this machine, or of one that `CLUSTER_SIGNAL` reaches (`harm.py`). See
`tests/support/argo_site.py` for what else the environment names.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from argo_site import Site
from harm import Mark, Place, send, start_again, stopped, store_away, store_silent

_CONTROLLER, _KUBELET, _SERVER, _ETCD = "bin/workflow-controller ", "bin/kubelet ", "bin/kube-apiserver ", "bin/etcd "
_POD_LOGS = "/var/log/pods"


class OnArgo(Place):
    """A prepared namespace."""

    OF_RUNS: ClassVar[Mapping[str, int]] = {
        "pod deleted at work": 40,
        "pod deleted after its record": 30,
        "Workflow deleted": 8,
        "follower killed": 8,
    }
    OF_ALL: ClassVar[Mapping[str, int]] = {
        "controller killed": 15,
        "API server and etcd killed": 5,
        "kubelet stopped for 20 s": 4,
        "store away for 30 s": 4,
        "store silent for 30 s": 3,
        "no room for logs for 20 s": 3,
    }

    def __init__(self, folder: Path, draw: random.Random) -> None:
        super().__init__(draw)
        site = Site(folder)
        site.prepare()
        self.namespace, self.bucket, self.environment = site.namespace, site.runs, site.environment
        self.host = os.environ.get("RIG_NODE_IP", self.host)
        os.environ["AWS_ENDPOINT_URL"] = os.environ["S3_ENDPOINT"]

    def kinds(self) -> Mapping[str, Callable[[], str]]:
        return {
            "controller killed": self._controller,
            "pod deleted at work": self._pod,
            "pod deleted after its record": self.next_recorded,
            "kubelet stopped for 20 s": lambda: stopped(_KUBELET, 20),
            "API server and etcd killed": self._servers,
            "store away for 30 s": store_away,
            "store silent for 30 s": store_silent,
            "no room for logs for 20 s": _full,
            "Workflow deleted": self._workflow,
        }

    def worker_of(self, mark: Mark) -> str:
        return str(mark["host"])

    def lose(self, worker: str) -> bool:
        return bool(self._kubectl("delete", "pod", worker, "--grace-period=0", "--force", "--wait=false"))

    def seen(self, run: str) -> str:
        return self._kubectl("get", "workflow", run, "-o", "yaml")

    def leave(self, run: str) -> None:
        self._kubectl("delete", "workflow", run, "--ignore-not-found", "--wait=false")

    def _kubectl(self, *words: str) -> str:
        """What it prints; nothing when it fails."""
        command = ["kubectl", "-n", self.namespace, "--request-timeout=10s", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def _pod(self) -> str:
        of = f"workflows.argoproj.io/workflow in ({','.join(self.runs())})"
        listed = self._kubectl("get", "pods", "--field-selector=status.phase=Running", "-l", of)
        pods = [line.split()[0] for line in listed.splitlines()[1:]]
        pod = self.draw.choice(pods) if pods else ""
        return pod if pod and self.lose(pod) else ""

    def _workflow(self) -> str:
        runs = self.runs()
        run = self.draw.choice(runs) if runs else ""
        return run if run and self._kubectl("delete", "workflow", run, "--wait=false") else ""

    def _controller(self) -> str:
        send("KILL", _CONTROLLER)
        time.sleep(self.draw.uniform(0, 3))
        start_again()
        return "workflow-controller"

    def _servers(self) -> str:
        send("KILL", _SERVER)
        send("KILL", _ETCD)
        time.sleep(self.draw.uniform(0, 5))
        start_again()
        return "kube-apiserver, etcd"


def _full() -> str:
    """A file system without room where the node keeps the logs of pods."""
    full = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "none", _POD_LOGS]
    if subprocess.run(full, check=False).returncode:
        return ""
    try:
        time.sleep(20)
    finally:
        subprocess.run(["umount", "--lazy", _POD_LOGS], check=True)
    return _POD_LOGS
