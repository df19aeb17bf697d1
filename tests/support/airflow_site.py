"""Runs on a real Airflow, begun and looked at as its users do it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_servers import Airflow

from somagent.capsule_compiler.diagnostics import render_all
from somagent.governance.constitution import default_constitution
from somagent.operators.runner.records import Decision
from somagent.workflows.capsules import compile_content, this_installation
from somagent.workflows.engines.airflow.driver import AirflowDriver
from somagent.workflows.engines.airflow.rest import Rest
from somagent.workflows.engines.airflow.settings import Settings, settings_of
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.engine import ObjectEngine
from somagent.workflows.engines.protocol import EngineError, RunView
from somagent.workflows.inputs import accept_inputs

HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: NAME }\nspec:\n  description: DESCRIPTION\n"
STEP_RUNNER = Path(sys.executable).with_name("somagent-step")
LEASE_S = "3"
PATIENCE_S = 240.0  # of a busy machine, on which an API server alone can take minutes to start


class Site:
    """One bucket and the engine that has its runs' steps begun by Airflow."""

    def __init__(self, airflow: Airflow, folder: Path, bucket: str = "", **way: str) -> None:
        """`way` are variables that say how the step runner is started: else as a process."""
        self.airflow, self.folder = airflow, folder
        self.bucket = bucket or f"file://{folder}/bucket"
        lease = f"/usr/bin/env SOMAGENT_LEASE_SECONDS={LEASE_S}"
        self.way = way or {"SOMAGENT_STEP": f"{lease} {STEP_RUNNER}"}
        self.runs: list[str] = []
        self.engine = self.engine_of()
        self.rest = self.rest_of("sam")

    def settings(self, user: str = "sam", **environment: str) -> Settings:
        """As a user of Airflow sets them."""
        named = {
            "SOMAGENT_AIRFLOW_URL": self.airflow.url,
            "SOMAGENT_AIRFLOW_USER": user,
            "SOMAGENT_AIRFLOW_PASSWORD": user * 2,
            "SOMAGENT_AIRFLOW_DAGS": str(self.airflow.dags),
        }
        return settings_of(self.bucket, {**named, **self.way, **environment})

    def rest_of(self, user: str) -> Rest:
        """The API as that user has it."""
        return Rest(self.settings(user), patience_s=PATIENCE_S)

    def engine_of(self, settings: Settings | None = None) -> ObjectEngine:
        operators = this_installation().operators
        settings = settings or self.settings()
        driver = AirflowDriver(settings, Rest(settings, patience_s=PATIENCE_S))
        return ObjectEngine(self.bucket, self.folder / "data", operators, driver=driver)

    async def submit(self, spec: str, *, engine: ObjectEngine | None = None, name: str = "demo", **inputs: Any) -> str:
        """A run of the capsule with this `spec`, indented by two; its plan is like none of another test."""
        text = HEAD.replace("NAME", name).replace("DESCRIPTION", f'"{self.folder}"') + spec
        done = compile_content(
            self.folder / "demo.capsule.yaml", text.encode(), this_installation(), default_constitution()
        )
        assert done.plan is not None, render_all(done.source, done.diagnostics)
        given = accept_inputs(done.plan, inputs, self.folder, here=False)
        self.runs.append(await (engine or self.engine).submit(done.plan, given, submitter="ada", files=done.contents))
        return self.runs[-1]

    async def ended(self, run_id: str) -> RunView:
        """The run, when it only waits for people, or has ended and Airflow is through with it too."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.engine.watch(run_id):
                pass
        view = self.engine.view(run_id)
        if view.phase != "Waiting":
            await self.state(run_id)
        return view

    async def run(self, spec: str, **inputs: Any) -> RunView:
        return await self.ended(await self.submit(spec, **inputs))

    async def decide(self, run_id: str, step: str, by: str, *, approve: bool = True, item: int = -1) -> None:
        await self.engine.signal(run_id, Decision(step=step, item=item, by=by, approve=approve, at=utc_now()))

    async def dag_run(self, run_id: str) -> Mapping[str, Any]:
        """The one that was begun last."""
        return max(await self.dag_runs(run_id), key=lambda one: datetime.fromisoformat(one["queued_at"]))

    async def dag_runs(self, run_id: str) -> list[Mapping[str, Any]]:
        """All that have the name of the run."""
        found = await self.rest.get("dags", "~", "dagRuns", run_id_pattern=run_id)
        return [one for one in found["dag_runs"] if one["dag_run_id"] == run_id]

    async def state(self, run_id: str) -> str:
        """Of the DAG run, when it is over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                state = (await self.dag_run(run_id))["state"]
                if state in {"success", "failed"}:
                    return str(state)
                await asyncio.sleep(0.2)

    async def tasks(self, run_id: str) -> list[Mapping[str, Any]]:
        dag_id = (await self.dag_run(run_id))["dag_id"]
        found = await self.rest.get("dags", dag_id, "dagRuns", run_id, "taskInstances", limit=200)
        return list(found["task_instances"])

    async def states(self, run_id: str) -> dict[str, Any]:
        """By task; of a mapped one a list."""
        states: dict[str, Any] = {}
        for one in sorted(await self.tasks(run_id), key=lambda one: one["map_index"]):
            if one["map_index"] < 0:
                states[one["task_id"]] = one["state"]
            else:
                states.setdefault(one["task_id"], []).append(one["state"])
        return states

    async def task(self, run_id: str, task_id: str, map_index: int = -1) -> Mapping[str, Any]:
        tasks = await self.tasks(run_id)
        return next(one for one in tasks if (one["task_id"], one["map_index"]) == (task_id, map_index))

    async def until(self, run_id: str, task_id: str, *states: str, map_index: int = -1) -> Mapping[str, Any]:
        """The task, when it is in one of the states."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                task = await self.task(run_id, task_id, map_index)
                if task["state"] in states:
                    return task
                await asyncio.sleep(0.2)

    async def patch_task(self, run_id: str, task_id: str, state: str) -> None:
        """As somebody does it by hand in Airflow."""
        dag_id = (await self.dag_run(run_id))["dag_id"]
        body = {"new_state": state}
        await self.rest.patch("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, body=body)

    async def log(self, run_id: str, task_id: str, attempt: int = 1) -> str:
        """What Airflow shows of a task."""
        dag_id = (await self.dag_run(run_id))["dag_id"]
        where = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(attempt))
        return "\n".join(str(one) for one in (await self.rest.get(*where))["content"])

    async def xcom(self, run_id: str, task_id: str, map_index: int = -1) -> Any:
        dag_id = (await self.dag_run(run_id))["dag_id"]
        where = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", "return_value")
        return (await self.rest.get(*where, map_index=map_index))["value"]

    async def question(self, run_id: str, task_id: str) -> Mapping[str, Any]:
        """What Airflow shows to whoever is to answer."""
        dag_id = (await self.dag_run(run_id))["dag_id"]
        where = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "-1", "hitlDetails")
        return dict(await self.rest.get(*where))

    async def leave(self) -> None:
        """Stops what is at work."""
        for run_id in self.runs:
            with suppress(EngineError):
                if (await self.dag_run(run_id))["state"] in {"queued", "running"}:
                    await self.engine.cancel(run_id, by="the test")
                    await self.state(run_id)
        self.engine.close()


def step_runners(airflow: Airflow) -> list[int]:
    """Processes of the step runner that this Airflow has started; they hide whose runs they work on."""
    bound = {pid for pid in _pids() if b"--bound" in _words(pid) and airflow.pid in ancestors(pid)}
    return sorted(pid for pid in bound if not bound.intersection(ancestors(pid)))  # without their guardians


def scripts(run_id: str, step: str = "") -> list[int]:
    """Processes that steps of the run, or one of them, have started."""
    key = f"SOMAGENT_IDEMPOTENCY_KEY={run_id}".encode()
    ends = (b"/" + step.encode(),) if step else (b"/", b".")

    def is_of(variable: bytes) -> bool:
        return variable.startswith(key) and variable.removeprefix(key).startswith(ends)

    return [pid for pid in _pids() if any(map(is_of, _variables(pid)))]


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _words(pid: int) -> list[bytes]:
    return _parts(pid, "cmdline")


def _variables(pid: int) -> list[bytes]:
    return _parts(pid, "environ")


def _parts(pid: int, name: str) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes().split(b"\0")
    return []


def ancestors(pid: int) -> list[int]:
    """Processes above it, the one that started it first."""
    found: list[int] = []
    with suppress(OSError):
        while pid > 1:
            pid = parent(pid)
            found.append(pid)
    return found


def parent(pid: int) -> int:
    """The process that started it."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1])


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].startswith(b"Z")


def until(holds: Callable[[], bool]) -> None:
    """Returns when it is so."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def processes(title: str) -> list[int]:
    """Those that say so of themselves."""
    return [pid for pid in _pids() if b" ".join(_words(pid)).strip().startswith(title.encode())]
