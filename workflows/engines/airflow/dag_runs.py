"""The DAG runs that have a run's name: one for each image, command or version of the step runner it went on with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from somagent.workflows.engines.airflow.rest import Rest

_OVER = {"success", "failed"}
_NEVER = datetime.min.replace(tzinfo=UTC)
_PAGE = 100  # task instances of one answer


def is_over(dag_run: Mapping[str, Any]) -> bool:
    """Whether nothing of it begins any more."""
    return dag_run["state"] in _OVER


def said_of(dag_run: Mapping[str, Any]) -> str:
    """As people find it in Airflow."""
    return f"DAG run {dag_run['dag_run_id']} of {dag_run['dag_id']} is over there ({dag_run['state']})"


async def last_of(rest: Rest, run_id: str) -> Mapping[str, Any] | None:
    """The one that works on the run, else the one that was begun or cleared last; a run's name is like no other."""
    found = await rest.get("dags", "~", "dagRuns", run_id_pattern=run_id)
    own = [one for one in found["dag_runs"] if one["dag_run_id"] == run_id]
    return max(own, key=lambda one: (not is_over(one), _begun(one)), default=None)


async def tasks_of(rest: Rest, dag_run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Its task instances; of a mapped task each, when they are known."""
    where = ("dags", dag_run["dag_id"], "dagRuns", dag_run["dag_run_id"], "taskInstances")
    tasks: list[Mapping[str, Any]] = []
    while True:
        found = await rest.get(*where, limit=_PAGE, offset=len(tasks), order_by="id")
        tasks += found["task_instances"]
        if len(tasks) >= found["total_entries"] or not found["task_instances"]:
            return tasks


def _begun(dag_run: Mapping[str, Any]) -> datetime:
    """To clear it is to queue it again."""
    return datetime.fromisoformat(dag_run["queued_at"]) if dag_run["queued_at"] else _NEVER
