"""The order of a DAG's tasks, and so which of a run's Airflow is about to begin and which have to wait."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from somagent.workflows.engines.airflow.asked import OVER, WAITS_FOR_PEOPLE
from somagent.workflows.engines.airflow.rest import Refused, Rest

_HAS_PLACE = {"queued", "running", *WAITS_FOR_PEOPLE}  # as Airflow counts for `maxParallel`
_AT_ONCE = "maxParallel"  # a parameter of the task: Airflow tells nobody of its own limit
_NOT_FOUND = 404


class Order(Struct, frozen=True):
    """By task: those before it, and how many of a mapped one may have a place at once."""

    before: Mapping[str, Sequence[str]] = {}
    most: Mapping[str, int] = {}

    def due(self, tasks: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
        """Those that Airflow has not begun to plan, although all before them are over: a scheduler does it at once."""
        at_work = {one["task_id"] for one in tasks if one["state"] not in OVER}
        return {
            (one["task_id"], one["map_index"])
            for one in tasks
            if one["state"] is None and at_work.isdisjoint(self.before.get(one["task_id"], ()))
        }

    def held(self, tasks: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
        """Items that could begin, and have no place while others have all of them."""
        places = Counter(one["task_id"] for one in tasks if one["state"] in _HAS_PLACE)
        return {
            (one["task_id"], one["map_index"])
            for one in tasks
            if one["state"] == "scheduled" and places[one["task_id"]] >= self.most.get(one["task_id"], math.inf)
        }

    def waits_for_people_only(self, tasks: Sequence[Mapping[str, Any]]) -> bool:
        """Whether nothing is at work, or about to be before somebody has decided."""
        due, held = self.due(tasks), self.held(tasks)
        at_rest = (
            one["state"] in {None, *OVER, *WAITS_FOR_PEOPLE} or (one["task_id"], one["map_index"]) in held
            for one in tasks
        )
        return not due and any(one["state"] in WAITS_FOR_PEOPLE for one in tasks) and all(at_rest)


async def order_of(rest: Rest, dag_id: str) -> Order:
    """As the DAG has it, which is never changed; that of no tasks, where Airflow has lost it."""
    try:
        tasks = (await rest.get("dags", dag_id, "tasks"))["tasks"]
    except Refused as refused:
        if refused.status != _NOT_FOUND:
            raise
        return Order()
    before: dict[str, list[str]] = {one["task_id"]: [] for one in tasks}
    for one in tasks:
        for name in one["downstream_task_ids"] or ():
            before[name].append(one["task_id"])
    most = {one["task_id"]: int(one["params"][_AT_ONCE]["value"]) for one in tasks if _AT_ONCE in (one["params"] or {})}
    return Order(before, most)
