"""The adapter of the engine on Airflow: a real one, started for the suite from what `make airflow` set up.

Its database is at the server that `$DATABASE_URL` names, else at one of its own. Steps are started from this
environment, with the operator `probe` as a package of its own beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_servers import Airflow, airflow_program
from airflow_site import scripts, step_runners
from databases import Server

from somagent.operators.runner.secrets import VARIABLE
from somagent.workflows.engines.airflow.driver import AirflowDriver
from somagent.workflows.engines.airflow.rest import Rest
from somagent.workflows.engines.airflow.settings import settings_of
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.engine import ObjectEngine

from ..cases import HERE, installation

_LEASE_S = 3
_LEAVE_S = 120.0
_AT_WORK = {"queued", "running"}
_LOOK_S = 0.2


class AirflowAdapter:
    """An `Adapter` on a bucket of its own; Airflow works on what is submitted from then on."""

    is_here = False  # secrets and files are those of Airflow's workers
    leaves_capsules_open = False
    goes_on_by_itself = True
    patience_s = 300.0

    def __init__(self, airflow: Airflow, packages: Path, folder: Path) -> None:
        bucket = f"file://{folder}/bucket"
        variables = {"PYTHONPATH": packages, "SOMAGENT_LEASE_SECONDS": _LEASE_S, VARIABLE: folder / "secrets"}
        words = [f"{name}={value}" for name, value in variables.items()]
        settings = settings_of(
            bucket,
            {
                "SOMAGENT_AIRFLOW_URL": airflow.url,
                "SOMAGENT_AIRFLOW_USER": "sam",
                "SOMAGENT_AIRFLOW_PASSWORD": "samsam",
                "SOMAGENT_AIRFLOW_DAGS": str(airflow.dags),
                "SOMAGENT_STEP": f"/usr/bin/env {' '.join(words)} {Path(sys.executable).with_name('somagent-step')}",
            },
        )
        self._airflow, self._rest = airflow, Rest(settings)
        driver = AirflowDriver(settings, self._rest)
        self.engine = ObjectEngine(bucket, folder / "data", installation().operators, driver=driver)

    def now(self) -> datetime:
        return utc_now()

    async def pass_time(self, by: timedelta) -> None:
        await asyncio.sleep(by.total_seconds())

    async def work(self, run_id: str) -> None:
        await self._pause(run_id, is_paused=False)
        await self.engine.run(run_id)

    @asynccontextmanager
    async def doomed(self, run_id: str) -> AsyncIterator[None]:
        await self._pause(run_id, is_paused=False)
        await self.engine.go_on(run_id)
        try:
            yield
        finally:
            await self._pause(run_id, is_paused=True)  # so that the next try waits for the next `work`
            for pid in [*step_runners(self._airflow), *scripts(run_id)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def leave(self) -> None:
        """Stops what a case left at work, and removes its DAG files."""
        self.engine.close()
        for run in self.engine.runs():
            for one in await self._dag_runs(run.id):
                await self._pause(run.id, is_paused=False)
                if one["state"] in _AT_WORK:
                    await self._rest.patch("dags", one["dag_id"], "dagRuns", run.id, body={"state": "failed"})
                async with asyncio.timeout(_LEAVE_S):
                    while await self._is_at_work(run.id):  # noqa: ASYNC110 - Airflow tells nobody
                        await asyncio.sleep(_LOOK_S)
                for path in self._airflow.dags.glob(f"{one['dag_id']}.*"):
                    path.unlink(missing_ok=True)

    async def _is_at_work(self, run_id: str) -> bool:
        return any(one["state"] in _AT_WORK for one in await self._dag_runs(run_id))

    async def _dag_runs(self, run_id: str) -> list[Mapping[str, Any]]:
        found = await self._rest.get("dags", "~", "dagRuns", run_id_pattern=run_id)
        return [one for one in found["dag_runs"] if one["dag_run_id"] == run_id]

    async def _pause(self, run_id: str, *, is_paused: bool) -> None:
        for run in await self._dag_runs(run_id):
            await self._rest.patch("dags", run["dag_id"], body={"is_paused": is_paused})


class AirflowProvider:
    """Its adapters share an Airflow; their DAGs are told apart by their buckets."""

    def __init__(self) -> None:
        program = airflow_program()
        assert program is not None, "make airflow sets one up"
        self._stack = contextlib.ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="somagent-conformance-")))
        database = os.environ.get("DATABASE_URL")
        database = database or self._stack.enter_context(contextlib.closing(Server())).address
        self._airflow = self._stack.enter_context(contextlib.closing(Airflow(program, database, folder / "dags")))
        self._packages = folder / "packages"
        information = self._packages / "somagent_probe-0.dist-info"
        information.mkdir(parents=True)
        shutil.copy(HERE / "probe.py", self._packages)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: somagent-probe\nVersion: 0\n")
        (information / "entry_points.txt").write_text("[somagent.operators]\nprobe = probe:OPERATOR\n")

    @contextmanager
    def open(self, folder: Path, secrets: Mapping[str, str]) -> Iterator[AirflowAdapter]:
        for name, value in secrets.items():
            path = folder / "secrets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(value, encoding="utf-8")
        adapter = AirflowAdapter(self._airflow, self._packages, folder)
        try:
            yield adapter
        finally:
            asyncio.run(adapter.leave())

    def close(self) -> None:
        self._stack.close()
