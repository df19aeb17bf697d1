"""Airflow as what starts the steps of runs at a bucket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from typing import Any

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.records import RunRecord, StepKey
from somagent.workflows.engines.airflow.asked import Asked
from somagent.workflows.engines.airflow.dag_runs import is_over, last_of, said_of, tasks_of
from somagent.workflows.engines.airflow.deploying import deploy
from somagent.workflows.engines.airflow.emit.dag import dag_file
from somagent.workflows.engines.airflow.order import Order, order_of
from somagent.workflows.engines.airflow.pools import check_pool
from somagent.workflows.engines.airflow.rest import Refused, Rest
from somagent.workflows.engines.airflow.settings import Settings
from somagent.workflows.engines.airflow.troubles import Troubles
from somagent.workflows.engines.granted import handed_in
from somagent.workflows.engines.objects.driver import Address, Look, Output
from somagent.workflows.engines.protocol import EngineError, NotTakenUp, spelled

_LOOK_S = 0.5
_PATIENCE_S = 60.0
_BEGINS_S = 10.0  # until a DAG run that is queued is not any more, where nothing keeps it
_CONFLICT, _NOT_FOUND = 409, 404


class AirflowDriver:
    """A `Driver`: each run is a DAG run of its name, of the DAG that its plan gives."""

    def __init__(
        self,
        settings: Settings,
        rest: Rest | None = None,
        *,
        patience_s: float = _PATIENCE_S,
        way_on: Callable[..., str] = spelled,
    ) -> None:
        """So long a task that was answered may take to be at rest; `way_on` spells the commands in messages."""
        self._way_on = way_on
        self._settings, self._rest, self._patience_s = settings, rest or Rest(settings), patience_s

    def address(self, run_id: str) -> Address:  # noqa: ARG002 - all runs are at one place
        return Address("airflow", self._settings.url)

    def check(self, plan: Plan) -> None:
        """Processes can run whatever a plan has."""
        if self._settings.place.pods is not None:
            dag_file(plan, self._settings.place)

    async def start(self, run: RunRecord, plan: Plan, kept: Set[str]) -> None:  # noqa: ARG002
        """Steps that have results begin too, and end at once: whoever looks at the DAG run sees the whole of it.

        One that is at work goes on with the image or command that it began with, whatever is set here: two would not
        know of each other, and people would be asked in one of them only.
        """
        emitted = dag_file(plan, self._settings.place, handed_in(plan, run.inputs))
        last = await last_of(self._rest, run.id)
        if last is not None and last["dag_id"] != emitted.dag_id and not is_over(last):
            return
        await check_pool(self._rest, self._settings.place.pool)
        await deploy(self._rest, emitted, self._settings.dags)
        body: dict[str, Any] = {"dag_run_id": run.id, "logical_date": None, "conf": {}}
        try:
            await self._rest.post("dags", emitted.dag_id, "dagRuns", body=body)
        except Refused as refused:
            if refused.status != _CONFLICT:
                raise
            begun = await self._rest.get("dags", emitted.dag_id, "dagRuns", run.id)
            if is_over(begun):  # and the run has not ended: something was stopped by hand, or lost
                more = {"dry_run": False, "only_failed": False}
                await self._rest.post("dags", emitted.dag_id, "dagRuns", run.id, "clear", body=more)

    async def go_on(self, run_id: str, answered: Mapping[StepKey, str]) -> None:
        """They read what was decided where it is recorded.

        What people are asked is recorded before Airflow knows that a task waits, so this looks on until each can be
        told; raises `NotTakenUp` when that takes too long, or the DAG run is over.
        """
        until = time.monotonic() + self._patience_s
        asked = Asked(self._rest, run_id, answered)
        while left := await asked.left(dag_run := await self._dag_run(run_id)):
            if is_over(dag_run) or time.monotonic() >= until:
                raise NotTakenUp(f"Airflow has not gone on with {run_id}: {left}")
            await asyncio.sleep(_LOOK_S)

    async def stop(self, run_id: str) -> None:
        """What is at work is told to end; Airflow runs the teardown tasks, and with the last one the run ends.

        Raises `NotTakenUp` when it has not begun with the DAG run, and so not with them.
        """
        dag_run = await self._dag_run(run_id)
        if is_over(dag_run):  # and the run has not ended
            raise NotTakenUp(f"{said_of(dag_run)}, so nothing there runs `finally` and ends the run")
        await self._rest.patch("dags", dag_run["dag_id"], "dagRuns", run_id, body={"state": "failed"})
        until = time.monotonic() + _BEGINS_S
        while dag_run["state"] == "queued":
            if time.monotonic() >= until:
                why = await Troubles(self._rest, self._settings.place.pool, Order()).reason(dag_run)
                raise NotTakenUp(
                    f"Airflow has not begun with {run_id}, which ends as soon as it does{why and f': {why}'}"
                )
            await asyncio.sleep(_LOOK_S)
            dag_run = await self._dag_run(run_id)

    async def outputs(self, run_id: str) -> AsyncIterator[Output]:  # noqa: ARG002 - of the protocol
        """Nothing: Airflow's own pages show what tasks write."""
        nothing: tuple[Output, ...] = ()
        for output in nothing:
            yield output

    async def looks(self, run_id: str) -> AsyncIterator[Look]:
        """Airflow tells nobody of changes, so it is asked."""
        dag_id = (await self._dag_run(run_id))["dag_id"]
        order = await order_of(self._rest, dag_id)
        troubles = Troubles(self._rest, self._settings.place.pool, order)
        before: Sequence[tuple[str, int, str | None]] = ()
        while True:
            try:
                run = await self._rest.get("dags", dag_id, "dagRuns", run_id)
            except Refused as refused:
                raise self._gone(run_id) if refused.status == _NOT_FOUND else refused from None
            tasks = await tasks_of(self._rest, run)
            states = [(task["task_id"], task["map_index"], task["state"]) for task in tasks]
            quiet = states == before and order.waits_for_people_only(tasks)
            held = bool(order.held(tasks))
            yield Look(over=is_over(run), parked=quiet, held=held, troubles=await troubles.found(run, tasks))
            before = states
            await asyncio.sleep(_LOOK_S)

    async def _dag_run(self, run_id: str) -> Mapping[str, Any]:
        last = await last_of(self._rest, run_id)
        if last is None:
            raise self._gone(run_id)
        return last

    def _gone(self, run_id: str) -> EngineError:
        where = self._settings.url
        return EngineError(
            f"Airflow at {where} has no DAG run {run_id}; it was deleted there, or never begun, and"
            f" `{self._way_on('resume', run_id)}` begins one: what is recorded does not run again"
        )
