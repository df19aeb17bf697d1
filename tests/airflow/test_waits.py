"""A run is said to wait for people when nothing else of it is at work or due, and why nothing begins is said truly."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from airflow_site import PATIENCE_S, Site

from somagent.workflows.engines.airflow.order import Order, order_of
from somagent.workflows.engines.airflow.troubles import Troubles
from somagent.workflows.engines.protocol import NotTakenUp

GATE = "  steps:\n    gate: { review: { title: Go on? } }\n"


async def troubles(site: Site, run: str) -> list[str]:
    """The first that is told, or nothing when the run only waits for people before."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in site.engine.watch(run):
            if event.kind == "trouble":
                return [event.message]
    return []


def test_what_is_due_beside_a_gate_in_a_paused_dag_is_no_waiting_for_people(site: Site) -> None:
    spec = """\
  steps:
    gate: { review: { title: Go on? } }
    first: { script: { run: sleep 4 } }
    second: { needs: [first], script: { run: echo second } }
"""

    async def main() -> None:
        run = await site.submit(spec)
        await site.until(run, "first", "running")
        await site.until(run, "gate", "awaiting_input")
        dag_id = (await site.dag_run(run))["dag_id"]
        await site.rest.patch("dags", dag_id, body={"is_paused": True})
        try:
            assert await troubles(site, run) == [f"the DAG {dag_id} is paused in Airflow; switch it on there"]
        finally:
            await site.rest.patch("dags", dag_id, body={"is_paused": False})
        assert (await site.ended(run)).phase == "Waiting"
        assert (await site.states(run))["second"] == "success"

    asyncio.run(main())


def test_items_whose_places_are_taken_by_those_that_wait_for_people_wait_too(site: Site) -> None:
    spec = """\
  steps:
    each:
      forEach: "${{ ['a', 'b', 'c'] }}"
      as: one
      maxParallel: 2
      review: { title: "Take ${{ one }}?", reviewers: { users: [bo] } }
"""

    async def main() -> None:
        run = await site.submit(spec)
        assert await troubles(site, run) == []
        assert (await site.states(run))["each.item"] == ["awaiting_input", "awaiting_input", "scheduled"]
        await site.decide(run, "each", "bo", item=0)
        await site.until(run, "each.item", "awaiting_input", map_index=2)
        assert await troubles(site, run) == []
        for item in (1, 2):
            await site.decide(run, "each", "bo", item=item)
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_run_begins_however_many_runs_of_its_dag_wait_for_people(site: Site) -> None:
    async def main() -> None:
        assert [(await site.run(GATE)).phase for _ in range(3)] == ["Waiting"] * 3

    asyncio.run(main())


def test_a_run_that_airflow_keeps_queued_is_told_why_and_ends_when_it_begins_if_it_is_cancelled(site: Site) -> None:
    async def main() -> None:
        first = (await site.run(GATE)).run.id
        dag_id = (await site.dag_run(first))["dag_id"]
        await narrow(site, dag_id)
        second = await site.submit(GATE)
        why = f"Airflow takes 1 runs of the DAG {dag_id} at once (max_active_runs), those that wait for people too"
        assert await troubles(site, second) == [why]
        with pytest.raises(
            NotTakenUp, match=f"{second}, which ends as soon as it does: {re.escape(why)}; it is written"
        ):
            await site.engine.cancel(second, by="bo")
        await site.decide(first, "gate", "bo")
        assert (await site.ended(second)).phase == "Cancelled"

    asyncio.run(main())


async def narrow(site: Site, dag_id: str) -> None:
    """As an Airflow does it whose policies lower what a DAG sets."""
    path = site.airflow.dags / f"{dag_id}.py"
    text = path.read_text()
    assert text.count("max_active_runs=2**31 - 1") == 1
    path.write_text(text.replace("max_active_runs=2**31 - 1", "max_active_runs=1"))
    async with asyncio.timeout(PATIENCE_S):
        while (await site.rest.get("dags", dag_id))["max_active_runs"] != 1:  # noqa: ASYNC110 - Airflow tells nobody
            await asyncio.sleep(0.2)


def test_the_order_of_a_dag_is_asked_for_once_and_has_each_task_after_those_it_needs(site: Site) -> None:
    spec = """\
  steps:
    each: { forEach: "${{ [1, 2] }}", as: one, maxParallel: 2, script: { run: echo } }
    after: { needs: [each], script: { run: echo } }
"""

    async def main() -> Order:
        run = await site.submit(spec)
        await site.ended(run)
        assert await order_of(site.rest, "no-such-dag") == Order()
        return await order_of(site.rest, (await site.dag_run(run))["dag_id"])

    order = asyncio.run(main())
    assert {task: set(before) for task, before in order.before.items()} == {
        "each.open": set(),
        "each.item": {"each.open"},
        "each.close": {"each.item"},
        "after": {"each.close"},
        "end-of-run": {"each.close", "after"},
    }
    assert order.most == {"each.item": 2}


def test_a_pool_without_limit_is_never_full(site: Site) -> None:
    pool = f"{site.folder.name}-endless"
    body = {"name": pool, "slots": -1, "description": "", "include_deferred": False}

    async def main() -> None:
        await site.rest_of("admin").post("pools", body=body)
        (dag, *_) = (await site.rest.get("dags", limit=1))["dags"]
        late: list[dict[str, Any]] = [{"task_id": "a", "map_index": -1, "state": "scheduled"}]
        found = Troubles(site.rest, pool, Order())
        for _ in range(2):
            assert await found.found({"dag_id": dag["dag_id"], "state": "running"}, late) == {}
            await asyncio.sleep(5.2)

    asyncio.run(main())
