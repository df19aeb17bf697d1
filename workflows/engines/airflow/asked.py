"""Tasks that asked people and are to look at what was decided, told so wherever they have come to.

A task asks Airflow a moment after it has recorded what people are asked. Before that it cannot be told: it has no
question there, or one that was answered before. From then on it can, also before it has parked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from somagent.operators.runner.records import NO_ITEM, StepKey
from somagent.workflows.engines.airflow.dag_runs import is_over, said_of, tasks_of
from somagent.workflows.engines.airflow.rest import Refused, Rest
from somagent.workflows.engines.run_names import path_below

LOOK = "Look for the decision"  # what the task that waits for people can be told
ENDS_CAPSULES = "end-of-capsules"  # the task of a stopped run that runs `finally` of capsules which it has left open
OVER = {"success", "failed", "skipped", "upstream_failed", "removed"}
WAITS_FOR_PEOPLE = {"awaiting_input", "deferred"}
_NO_QUESTION, _ANSWERED = 404, 409


class Asked:
    """The tasks of those steps of a run that people have answered."""

    def __init__(self, rest: Rest, run_id: str, answered: Iterable[StepKey]) -> None:
        self._rest = rest
        self._keys = [_outermost(run_id, key) for key in answered]
        self._at_work: set[object] = set()  # tasks that were seen to be
        self._told: set[object] = set()

    async def left(self, dag_run: Mapping[str, Any]) -> str:
        """Tells those that can be told; why another one cannot, for people, or nothing when all of them will look."""
        if not self._keys:
            return ""
        if is_over(dag_run):
            return said_of(dag_run)
        tasks = await tasks_of(self._rest, dag_run)
        left = [await self._left_of(dag_run, key, await self._of(dag_run, key, tasks)) for key in self._keys]
        return next(filter(None, left), "")

    async def _left_of(self, dag_run: Mapping[str, Any], key: StepKey, own: Sequence[Mapping[str, Any]]) -> str:
        """One that is over will not look; that is all the same when another one does."""
        others = [task for task in own if not await self._will_look(dag_run, task)]
        at_work = [task for task in others if task["state"] not in OVER]
        if not at_work and len(others) < len(own):
            return ""
        for task in (*at_work, *others):
            return f"its task `{task['task_id']}` is {task['state']}"
        return f"it has no task of step `{key.step}`"

    async def _will_look(self, dag_run: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
        """Whether it looks at what is recorded from now on, or has since it was seen to be at work."""
        one, state = (task["task_id"], task["map_index"]), task["state"]
        if one in self._told:
            return True
        if state in OVER:
            return one in self._at_work
        if state == "running" or state in WAITS_FOR_PEOPLE:
            self._at_work.add(one)
            if not await self._tell(dag_run, task):
                return False
        self._told.add(one)  # what has not begun looks when it begins
        return True

    async def _tell(self, dag_run: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
        where = ("dags", dag_run["dag_id"], "dagRuns", dag_run["dag_run_id"], "taskInstances", task["task_id"])
        body = {"ti_id": task["id"], "chosen_options": [LOOK], "params_input": {}}
        try:
            await self._rest.patch(*where, str(task["map_index"]), "hitlDetails", body=body)
        except Refused as refused:
            if refused.status not in {_NO_QUESTION, _ANSWERED}:
                raise
            return refused.status == _ANSWERED and task["state"] in WAITS_FOR_PEOPLE  # told by somebody else
        return True

    async def _of(
        self, dag_run: Mapping[str, Any], key: StepKey, tasks: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Who is told to look in vain looks in vain, so it may be more than one; all, where the step is not known."""
        if not key.step:
            return list(tasks)
        step = [task for task in tasks if str(task["task_id"]).partition(".")[0] == key.step]
        if step and all(task["state"] in OVER for task in step):  # the run was stopped; what is inside goes on there
            return [*step, *(task for task in tasks if task["task_id"] == ENDS_CAPSULES)]
        mapped = [task for task in step if task["map_index"] >= 0] if key.item != NO_ITEM else []
        if mapped:
            items = await self._items_of(dag_run, key.step)
            return [task for task in mapped if key.item in items.get(task["map_index"], ())] or mapped
        return [task for task in step if task["map_index"] == key.item] or step  # both say -1 for what has no items

    async def _items_of(self, dag_run: Mapping[str, Any], step: str) -> Mapping[int, range]:
        """Which items each mapped task of a fan-out has, as the task said that opened it; nothing if that is gone."""
        where = ("dags", dag_run["dag_id"], "dagRuns", dag_run["dag_run_id"], "taskInstances", f"{step}.open")
        try:
            said = (await self._rest.get(*where, "xcomEntries", "return_value"))["value"]
            return {number: range(*map(int, ends)) for number, ends in enumerate(said)}
        except Refused as refused:
            if refused.status != _NO_QUESTION:
                raise
        except (TypeError, ValueError):
            pass  # an Airflow that keeps such values elsewhere says where
        return {}


def _outermost(run_id: str, key: StepKey) -> StepKey:
    """The step, or item, of the run itself that the key is of or inside of; without a step when that cannot be told."""
    first, *more = path_below(run_id, key).split("/")
    item = int(more[0]) if more and more[0].isdigit() else NO_ITEM
    told = (
        key.run == run_id
        or key.run.startswith((f"{run_id}.{first}.", f"{run_id}.{first}-"))
        or (key.run == f"{run_id}.{first}")
    )
    return StepKey(run_id, first if told else "", item)
