"""Why tasks do not begin: what Airflow knows and does not say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from somagent.workflows.engines.airflow.order import Order
from somagent.workflows.engines.airflow.pools import UNLIMITED
from somagent.workflows.engines.airflow.rest import Rest

_NEXT = ("", -2)  # whatever comes next: a scheduler that is at work has it ready at once
_PATIENCE_S = 5.0  # a task that is ready begins sooner
_GUESS_S = 35.0  # Airflow takes 30 to find out that a scheduler is gone; before, nothing else is guessed
_REST_S = 5.0  # between two questions to the rest of Airflow
_GUESS = "Airflow has it ready and has not begun it; its executor has no free place, or no worker"
_RUN_GUESS = "Airflow has the DAG run queued, and its scheduler has not begun it"


class Troubles:
    """What keeps the tasks of one run, looked for when one of them has been ready for longer than usual."""

    def __init__(self, rest: Rest, pool: str, order: Order) -> None:
        self._rest, self._pool, self._order = rest, pool, order
        self._since: dict[tuple[str, int], float] = {}
        self._asked = 0.0
        self._why = ""

    async def found(self, run: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """By step."""
        now = time.monotonic()
        ready = {(one["task_id"], one["map_index"]) for one in tasks if one["state"] in {"scheduled", "queued"}}
        ready -= self._order.held(tasks)
        if run["state"] == "queued" or not tasks:
            ready.add(("", -1))
        elif self._order.due(tasks):
            ready.add(_NEXT)
        self._since = {key: self._since.get(key, now) for key in ready}
        waits = {key: now - since for key, since in self._since.items()}
        late = [key for key, wait in waits.items() if wait >= _PATIENCE_S]
        if not late:
            self._why = ""
            return {}
        if now - self._asked >= _REST_S:
            known = await self.reason(run)
            guess = _RUN_GUESS if run["state"] == "queued" else _GUESS
            longest = max((wait for key, wait in waits.items() if key != _NEXT), default=0.0)
            self._asked, self._why = now, known or (guess if longest >= _GUESS_S else "")
        return {name.partition(".")[0]: self._why for name, _ in sorted(late)} if self._why else {}

    async def reason(self, run: Mapping[str, Any]) -> str:
        """What Airflow knows of; empty when that explains nothing."""
        health = await self._rest.get("monitor", "health")
        if (health.get("scheduler") or {}).get("status") != "healthy":
            return "Airflow's scheduler gives no sign of life; start it: airflow scheduler"
        dag_id = run["dag_id"]
        dag = await self._rest.get("dags", dag_id)
        if dag.get("is_paused"):
            return f"the DAG {dag_id} is paused in Airflow; switch it on there"
        if dag.get("is_stale"):
            return f"Airflow does not find the file of the DAG {dag_id} any more; put it back"
        if run["state"] == "queued":
            return await self._no_room(dag)
        pool = await self._rest.get("pools", self._pool)
        if pool["slots"] != UNLIMITED and pool["open_slots"] <= 0:
            return f"no free slots in pool `{self._pool}`: all {pool['slots']} are taken"
        return ""

    async def _no_room(self, dag: Mapping[str, Any]) -> str:
        """DAG files set no limit; an Airflow whose policies do holds the run back."""
        most, name = dag["max_active_runs"], dag["dag_id"]
        running = (await self._rest.get("dags", name, "dagRuns", state="running", limit=1))["total_entries"]
        if most is None or running < most:
            return ""
        return f"Airflow takes {most} runs of the DAG {name} at once (max_active_runs), those that wait for people too"
