"""Keeps an Airflow for as long as whoever started this process lives, however that ends.

Its API server, scheduler and DAG processor run from an environment of their own, each in a session of its own, on a
database of their own. When it answers, its address is printed, and when standard input ends all of it is ended. A
line there is a command, answered by a line: `kill NAME` kills one of the three with all that it started, `kill-only
NAME` the one process, `start NAME` starts it again and waits until it is healthy; `revive all` does so with those that
have ended by themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

NAMES = ("api-server", "scheduler", "dag-processor")
USERS = {"admin": "admin", "sam": "user", "vera": "viewer"}  # and their roles; a password is the name twice
_HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "api-server": "metadatabase"}
_PATIENCE_S = 180.0  # of a busy machine
_LEAVE_S = 10.0


class Keeper:
    """Three processes, their folder and their database; all go with it."""

    def __init__(self, airflow: Path, database: str, dags: Path, settings: dict[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="somagent-airflow-"))
        self._airflow, self._server = airflow, database
        self._name = f"airflow_{secrets.token_hex(4)}"
        with psycopg.connect(database, autocommit=True) as db:
            db.execute(f"CREATE DATABASE {self._name}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (self.folder / "passwords.json").write_text(json.dumps({name: name * 2 for name in USERS}))
        self._environment = self._settings(port, dags, settings)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def migrate(self) -> None:
        """Makes the tables."""
        with (self.folder / "migrate.log").open("wb") as log:
            done = subprocess.run(
                [self._airflow, "db", "migrate"], env=self._environment, stdout=log, stderr=log, check=False
            )
        if done.returncode:
            raise SystemExit(f"airflow db migrate: {(self.folder / 'migrate.log').read_text()[-2000:]}")

    def start(self, *names: str) -> None:
        """Returns when all are healthy."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [self._airflow, name], env=self._environment, stdout=log, stderr=log, start_new_session=True
                )
        until = time.monotonic() + _PATIENCE_S
        while not all(self._is_healthy(name) for name in names):
            for name in names:
                if self._running[name].poll() is not None:
                    raise SystemExit(f"airflow {name}: {(self.folder / f'{name}.log').read_text()[-2000:]}")
            if time.monotonic() >= until:
                raise SystemExit(f"Airflow is not healthy after {_PATIENCE_S:g} s")
            time.sleep(0.2)

    def kill(self, name: str, *, only: bool = False) -> None:
        """As a lost machine does it, or with `only`, as a lost process."""
        process = self._running[name]
        for pid in [process.pid] if only else _session(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def ended(self) -> list[str]:
        """Those that are not there any more."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def close(self) -> None:
        for number, patience_s in ((signal.SIGTERM, _LEAVE_S), (signal.SIGKILL, _LEAVE_S)):
            for pid in [pid for process in self._running.values() for pid in _session(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            until = time.monotonic() + patience_s
            for process in self._running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(until - time.monotonic(), 0))
        with psycopg.connect(self._server, autocommit=True) as db:
            db.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
        if "AIRFLOW_LOGS" in os.environ:  # for whoever wants to know what went wrong
            shutil.copytree(self.folder, os.environ["AIRFLOW_LOGS"], dirs_exist_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_healthy(self, name: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
        except OSError:
            return False
        if health[_HEALTH[name]]["status"] != "healthy":
            return False
        return name == "api-server" or self._beats(health[_HEALTH[name]], name)

    def _beats(self, health: dict[str, str], name: str) -> bool:
        """A heart that beat before this process was started is that of the one before it."""
        beat = health[f"latest_{_HEALTH[name]}_heartbeat"]
        started = Path(f"/proc/{self._running[name].pid}").stat().st_ctime
        from datetime import datetime

        return datetime.fromisoformat(beat).timestamp() > started

    def _settings(self, port: int, dags: Path, more: dict[str, str]) -> dict[str, str]:
        parts = urlsplit(self._server)
        query = f"{parts.query}&" if parts.query else ""
        socket_folder = dict(one.partition("=")[::2] for one in parts.query.split("&")).get("host")
        if socket_folder:
            query = f"host={quote(socket_folder, safe='')}"
        database = urlunsplit(("postgresql+psycopg2", parts.netloc, f"/{self._name}", query.rstrip("&"), ""))
        fast = {  # for tests; docs/airflow.md says which of them are for everybody
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
            "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
            "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "1",
            "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        }
        named = {
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "8",
            "CORE__FERNET_KEY": "",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(dags),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            **fast,
            **more,
        }
        own = {"PATH": f"{self._airflow.parent}:{os.environ['PATH']}", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return {**own, "AIRFLOW_HOME": str(self.folder), **{f"AIRFLOW__{name}": text for name, text in named.items()}}


def _session(leader: int) -> list[int]:
    """All processes of a session: each of Airflow's tasks has a process group of its own in it."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if int((path / "stat").read_bytes().rpartition(b") ")[2].split()[3]) == leader:
                    found.append(int(path.name))
    return found


def main() -> None:
    order = json.loads(sys.stdin.readline())
    keeper = Keeper(Path(order["airflow"]), order["database"], Path(order["dags"]), order["settings"])
    try:
        keeper.migrate()
        keeper.start(*NAMES)
        print(keeper.url, flush=True)
        for line in sys.stdin:
            what, name = line.split()
            if what == "start":
                keeper.start(name)
            elif what == "revive":
                keeper.start(*keeper.ended())
            else:
                keeper.kill(name, only=what == "kill-only")
            print("done", flush=True)
    finally:
        keeper.close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
