"""Runs on an Airflow of the campaign's own, with a database of its own, and what is done to them.

Results are kept at the object store of `S3_ENDPOINT` and `S3_BUCKET`, else in a folder, which is always there.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from airflow_servers import Airflow, airflow_program
from airflow_site import LEASE_S, STEP_RUNNER, ancestors, parent, step_runners
from databases import Server
from harm import Mark, Place, store_away, store_silent

_USER = "sam"
_STORE = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_OVER = {"success", "failed", "skipped", "upstream_failed"}


class OnAirflow(Place):
    """An Airflow whose tasks start the step runner as a process."""

    OF_RUNS: ClassVar[Mapping[str, int]] = {
        "task process killed": 25,
        "step runner killed": 15,
        "executor's worker killed": 5,
        "task process killed after its record": 30,
        "DAG run deleted": 6,
        "task cleared by hand": 6,
        "follower killed": 8,
    }
    OF_ALL: ClassVar[Mapping[str, int]] = {
        "scheduler killed with its tasks": 8,
        "scheduler killed": 8,
        "API server killed": 8,
        "DAG processor killed": 3,
        "database killed": 5,
        **({"store away for 30 s": 3, "store silent for 30 s": 3} if "S3_ENDPOINT" in os.environ else {}),
    }

    def __init__(self, folder: Path, draw: random.Random) -> None:
        super().__init__(draw)
        program = airflow_program()
        if program is None:
            raise SystemExit("needs an Airflow: make airflow, or name its command in AIRFLOW")
        self._database = Server()
        self._airflow = Airflow(program, self._database.address, folder / "dags")
        step = ["/usr/bin/env", f"SOMAGENT_LEASE_SECONDS={LEASE_S}"]
        self.bucket = f"file://{folder}/bucket"
        if "S3_ENDPOINT" in os.environ:
            os.environ["AWS_ENDPOINT_URL"] = os.environ["S3_ENDPOINT"]
            self.bucket = f"s3://{os.environ['S3_BUCKET']}/faults/{os.urandom(4).hex()}"
            step += [f"{name}={os.environ[name]}" for name in ("AWS_ENDPOINT_URL", *_STORE)]
        self.environment = {
            **os.environ,
            "SOMAGENT_ENGINE": "airflow",
            "SOMAGENT_RUNS": self.bucket,
            "SOMAGENT_STEP": " ".join([*step, str(STEP_RUNNER)]),
            "SOMAGENT_AIRFLOW_URL": self._airflow.url,
            "SOMAGENT_AIRFLOW_USER": _USER,
            "SOMAGENT_AIRFLOW_PASSWORD": _USER * 2,
            "SOMAGENT_AIRFLOW_DAGS": str(self._airflow.dags),
            "SOMAGENT_DATA_DIR": str(folder / "data"),
        }

    def kinds(self) -> Mapping[str, Callable[[], str]]:
        return {
            "task process killed": lambda: self._at_work(1),
            "step runner killed": lambda: self._at_work(0),
            "executor's worker killed": lambda: self._at_work(2),
            "task process killed after its record": self.next_recorded,
            "DAG run deleted": self._dag_run,
            "task cleared by hand": self._clear,
            "scheduler killed with its tasks": lambda: self._server("scheduler", only=False),
            "scheduler killed": lambda: self._server("scheduler", only=True),
            "API server killed": lambda: self._server("api-server", only=False),
            "DAG processor killed": lambda: self._server("dag-processor", only=False),
            "database killed": self._database_killed,
            "store away for 30 s": store_away,
            "store silent for 30 s": store_silent,
        }

    def worker_of(self, mark: Mark) -> str:
        """The task's process, above the step runner that started the script."""
        runners = step_runners(self._airflow)
        return next((str(parent(pid)) for pid in ancestors(int(mark["pid"])) if pid in runners), "")

    def lose(self, worker: str) -> bool:
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(worker), signal.SIGKILL)
            return True
        return False

    def seen(self, run: str) -> str:
        found = {}
        for dag_run in self._dag_runs(run):
            where = f"dags/{dag_run['dag_id']}/dagRuns/{run}/taskInstances"
            found[dag_run["dag_id"]] = {"run": dag_run, "tasks": self._call("GET", f"{where}?limit=1000")}
        return json.dumps(found, indent=1)

    def leave(self, run: str) -> None:
        """Airflow keeps what has ended."""

    def close(self) -> None:
        self._airflow.close()
        self._database.close()

    def _at_work(self, above: int) -> str:
        """One of the processes of a step: its runner, that of the task above, or the executor's above that."""
        runners = step_runners(self._airflow)
        if not runners:
            return ""
        pid = self.draw.choice(runners)
        with contextlib.suppress(OSError):
            for _ in range(above):
                pid = parent(pid)
            return str(pid) if self.lose(str(pid)) else ""
        return ""

    def _server(self, name: str, *, only: bool) -> str:
        self._airflow.kill(name, only=only)
        time.sleep(self.draw.uniform(0, 5))
        self._airflow.start(name)
        return name

    def _database_killed(self) -> str:
        self._database.kill()
        time.sleep(10)
        self._airflow.revive()
        return "PostgreSQL"

    def _dag_run(self) -> str:
        for dag_run in self._one_at_work():
            where = f"dags/{dag_run['dag_id']}/dagRuns/{dag_run['dag_run_id']}"
            return str(dag_run["dag_run_id"]) if self._call("DELETE", where) is not None else ""
        return ""

    def _clear(self) -> str:
        """What somebody does on Airflow's pages to a task that has ended: it is begun anew, and all after it."""
        for dag_run in self._one_at_work():
            run, dag = dag_run["dag_run_id"], dag_run["dag_id"]
            tasks = self._call("GET", f"dags/{dag}/dagRuns/{run}/taskInstances?limit=1000") or {"task_instances": []}
            ended = [task["task_id"] for task in tasks["task_instances"] if task["state"] in _OVER]
            if not ended:
                return ""
            task = self.draw.choice(ended)
            body = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "include_downstream": True}
            body |= {"only_failed": False}
            cleared = self._call("POST", f"dags/{dag}/clearTaskInstances", body)
            return f"{run} {task}" if cleared is not None else ""
        return ""

    def _one_at_work(self) -> list[Mapping[str, Any]]:
        runs = self.runs()
        found = self._dag_runs(self.draw.choice(runs)) if runs else []
        return [one for one in found if one["state"] in {"queued", "running"}][:1]

    def _dag_runs(self, run: str) -> list[Mapping[str, Any]]:
        found = self._call("GET", f"dags/~/dagRuns?run_id_pattern={run}") or {"dag_runs": []}
        return [one for one in found["dag_runs"] if one["dag_run_id"] == run]

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer of the API; nothing when it refuses or is not there."""
        with contextlib.suppress(OSError, ValueError):
            account = {"username": _USER, "password": _USER * 2}
            token = _asked("POST", f"{self._airflow.url}/auth/token", account, {})["access_token"]
            header = {"Authorization": f"Bearer {token}"}
            return _asked(method, f"{self._airflow.url}/api/v2/{path}", body, header)
        return None


def _asked(method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read() or b"{}")
