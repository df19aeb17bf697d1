"""What is done to a cluster while runs are at work on it.

It is a cluster whose servers are processes of this machine, or of one that `CLUSTER_SIGNAL` reaches: a command to which
`-KILL -f NAME` is added as for `pkill`, its default. `CLUSTER_UP` is a command that starts again what died, for servers
that nobody else starts again. `STORE_PROCESS` is the name of the object store's process.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from verdict import Harm

_CONTROLLER, _KUBELET, _SERVER, _ETCD = "bin/workflow-controller ", "bin/kubelet ", "bin/kube-apiserver ", "bin/etcd "
_POD_LOGS = "/var/log/pods"


class Cluster:
    """The cluster of `KUBECONFIG`, and what can be done to it."""

    def __init__(self, namespace: str, draw: random.Random) -> None:
        self.namespace, self.draw = namespace, draw
        self.harms: list[Harm] = []
        self.runs: Callable[[], list[str]] = list  # those that are at work
        self.recorded: Callable[[dict[str, Any]], bool] = lambda mark: False  # whether the mark's attempt has an end
        self._signal = shlex.split(os.environ.get("CLUSTER_SIGNAL", "pkill"))
        self._up = shlex.split(os.environ.get("CLUSTER_UP", "true"))
        self._store = os.environ.get("STORE_PROCESS", "versitygw")
        self._recorded_wanted = threading.Semaphore(0)

    def kinds(self) -> dict[str, Callable[[], str]]:
        """Each kind of harm; what does it returns what was hit, or nothing."""
        return {
            "controller killed": self._controller,
            "pod deleted at work": self._pod,
            "pod deleted after its record": self._pod_recorded,
            "kubelet stopped for 20 s": lambda: self._stopped(_KUBELET, 20),
            "API server and etcd killed": self._servers,
            "store away for 30 s": self._store_away,
            "store silent for 30 s": lambda: self._stopped(self._store, 30),
            "no room for logs for 20 s": self._full,
            "Workflow deleted": self._workflow,
        }

    def do(self, kind: str) -> bool:
        """Does it, and notes it if there was anything to hit."""
        begun = time.time()
        target = self.kinds()[kind]()
        if target:
            self.harms.append(Harm(kind, target, begun, time.time()))
        return bool(target)

    def note(self, kind: str, target: str, begun: float) -> None:
        """What others did."""
        self.harms.append(Harm(kind, target, begun, time.time()))

    def kubectl(self, *words: str) -> str:
        """What it prints; nothing when it fails."""
        command = ["kubectl", "-n", self.namespace, "--request-timeout=10s", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def heard_end(self, mark: dict[str, Any]) -> None:
        """Deletes the pod of a step as soon as its result is recorded, if that is wanted of the next one."""
        if not self._recorded_wanted.acquire(blocking=False):
            return
        threading.Thread(target=self._delete_recorded, args=(mark,), daemon=True).start()

    def _delete_recorded(self, mark: dict[str, Any]) -> None:
        end, begun = time.time() + 10, time.time()
        while not self.recorded(mark):
            if time.time() > end:
                return
            time.sleep(0.01)
        if self.kubectl("delete", "pod", mark["pod"], "--grace-period=0", "--force", "--wait=false"):
            self.note("pod deleted after its record", mark["pod"], begun)

    def _pod_recorded(self) -> str:
        self._recorded_wanted.release()  # noted when it happens
        return ""

    def _pod(self) -> str:
        listed = self.kubectl("get", "pods", "--field-selector=status.phase=Running", "-l", self._of(self.runs()))
        pods = [line.split()[0] for line in listed.splitlines()[1:]]
        if not pods:
            return ""
        pod = self.draw.choice(pods)
        return pod if self.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false") else ""

    def _of(self, runs: list[str]) -> str:
        return f"workflows.argoproj.io/workflow in ({','.join(runs)})"

    def _workflow(self) -> str:
        runs = self.runs()
        if not runs:
            return ""
        run = self.draw.choice(runs)
        return run if self.kubectl("delete", "workflow", run, "--wait=false") else ""

    def _send(self, signal: str, process: str) -> None:
        subprocess.run([*self._signal, f"-{signal}", "-f", process], check=True)

    def _start(self) -> None:
        """Starts again what died; a busy machine may take several tries."""
        for left in reversed(range(5)):
            if subprocess.run(self._up, capture_output=True, check=not left).returncode == 0:
                return

    def _controller(self) -> str:
        self._send("KILL", _CONTROLLER)
        time.sleep(self.draw.uniform(0, 3))
        self._start()
        return "workflow-controller"

    def _servers(self) -> str:
        self._send("KILL", _SERVER)
        self._send("KILL", _ETCD)
        time.sleep(self.draw.uniform(0, 5))
        self._start()
        return "kube-apiserver, etcd"

    def _store_away(self) -> str:
        self._send("KILL", self._store)
        time.sleep(30)
        self._start()
        return self._store

    def _stopped(self, process: str, seconds: float) -> str:
        self._send("STOP", process)
        try:
            time.sleep(seconds)
        finally:
            self._send("CONT", process)
        return process.strip().rpartition("/")[2]

    def _full(self) -> str:
        """A file system without room where the node keeps the logs of pods."""
        full = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "none", _POD_LOGS]
        if subprocess.run(full, check=False).returncode:
            return ""
        try:
            time.sleep(20)
        finally:
            subprocess.run(["umount", "--lazy", _POD_LOGS], check=True)
        return _POD_LOGS
