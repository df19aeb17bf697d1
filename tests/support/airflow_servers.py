"""A real Airflow for tests, from the environment that `make airflow` sets up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

VARIABLE = "AIRFLOW"  # the program; else the one that `make airflow` installed
_OURS = Path(__file__).parents[2] / ".venv" / "airflow" / "bin" / "airflow"


def airflow_program() -> Path | None:
    """The `airflow` command, if there is one."""
    found = Path(os.environ.get(VARIABLE, _OURS))
    return found if found.exists() else None


class Airflow:
    """An Airflow on a database of its own at that server; it lives no longer than this process (`airflow_keeper`)."""

    def __init__(self, program: Path, database: str, dags: Path, **settings: str) -> None:
        self.dags = dags
        dags.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("airflow_keeper.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self._keeper.pid
        order = {"airflow": str(program), "database": database, "dags": str(dags), "settings": settings}
        self.url = self._ask(json.dumps(order))

    def kill(self, name: str, *, only: bool = False) -> None:
        """Kills one of the three processes, with all that it started unless it is `only` that one."""
        self._ask(f"{'kill-only' if only else 'kill'} {name}")

    def start(self, name: str) -> None:
        """Starts it again."""
        self._ask(f"start {name}")

    def revive(self) -> None:
        """Starts again those that have ended by themselves, as an Airflow does that has lost its database."""
        self._ask("revive all")

    def close(self) -> None:
        """Ends it, and removes its database and files."""
        self._keeper.communicate()

    def _ask(self, line: str) -> str:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(f"{line}\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"no Airflow: its keeper ended with {self._keeper.wait()}")
        return answer
