"""A gate opens by a decision that SomaGent has recorded, whatever anybody does in Airflow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow_site import Site

from somagent.operators.runner.records import Decision
from somagent.workflows.engines.airflow.asked import LOOK
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.protocol import DecisionRefused

SPEC = """\
  steps:
    gate: { review: { title: "Go on?", reviewers: { users: [bo, eve], count: 2, notSubmitter: true }DUE } }
    after: { needs: [gate], script: { run: echo behind } }
"""


async def answer(site: Site, run: str, user: str = "sam") -> Any:
    """What Airflow offers to those who look at its required actions."""
    task = await site.until(run, "gate", "awaiting_input")
    dag_id = (await site.dag_run(run))["dag_id"]
    where = ("dags", dag_id, "dagRuns", run, "taskInstances", "gate", "-1", "hitlDetails")
    body = {"ti_id": task["id"], "chosen_options": [LOOK], "params_input": {}}
    return await site.rest_of(user).patch(*where, body=body)


def test_a_quorum_opens_it_and_nobody_waits_in_a_worker(site: Site) -> None:
    async def main() -> None:
        view = await site.run(SPEC.replace("DUE", ""))
        run = view.run.id
        assert view.phase == "Waiting"
        assert (await site.task(run, "gate"))["state"] == "awaiting_input"
        detail = await site.question(run, "gate")
        assert (detail["subject"], detail["options"]) == ("waiting for bo, eve (2): Go on?", [LOOK])
        assert f"somagent approve {run}" in detail["body"]
        await site.decide(run, "gate", "bo")
        assert (await site.ended(run)).phase == "Waiting"  # one of two
        await site.decide(run, "gate", "eve")
        view = await site.ended(run)
        assert [(step.phase, step.attempts) for step in view.steps] == [("Succeeded", 2), ("Succeeded", 1)]
        assert [decision.by for decision in view.decisions] == ["bo", "eve"]

    asyncio.run(main())


def test_an_answer_in_airflow_opens_nothing_and_leaves_no_trace_but_in_its_log(site: Site) -> None:
    async def main() -> None:
        run = (await site.run(SPEC.replace("DUE", ""))).run.id
        for _ in range(2):
            await answer(site, run)
            await site.until(run, "gate", "scheduled", "queued", "running", "awaiting_input")
        await asyncio.sleep(1)
        await site.until(run, "gate", "awaiting_input")
        view = await site.ended(run)
        assert (view.phase, [step.attempts for step in view.steps]) == ("Waiting", [1, 0])
        await site.decide(run, "gate", "bo")
        await site.decide(run, "gate", "eve")
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_gate_set_to_success_by_hand_opens_nothing_and_the_next_step_says_who_must_approve(site: Site) -> None:
    async def main() -> None:
        run = (await site.run(SPEC.replace("DUE", ""))).run.id
        await site.patch_task(run, "gate", "success")
        await site.until(run, "after", "failed")
        assert "step `gate` has not ended; it waits for bo, eve (2): Go on?" in await site.log(run, "after")
        view = await site.ended(run)
        assert [step.phase for step in view.steps] == ["Failed", "Omitted"]
        assert await site.state(run) == "failed"

    asyncio.run(main())


def test_a_rejection_closes_it_for_all_that_comes_after(site: Site) -> None:
    spec = SPEC.replace("DUE", "") + "    far: { needs: [after], script: { run: echo never } }\n"

    async def main() -> None:
        run = (await site.run(spec)).run.id
        await site.decide(run, "gate", "eve", approve=False)
        view = await site.ended(run)
        assert [step.phase for step in view.steps] == ["Failed", "Omitted", "Omitted"]
        assert await site.states(run) == {
            "gate": "failed",
            "after": "upstream_failed",
            "far": "upstream_failed",
            "end-of-run": "failed",
        }
        with pytest.raises(DecisionRefused, match="does not wait any more: it is Failed"):
            await site.decide(run, "gate", "bo")

    asyncio.run(main())


def test_when_the_time_to_decide_is_over_it_stays_closed_without_anybody(site: Site) -> None:
    async def main() -> None:
        run = await site.submit(SPEC.replace("DUE", ", due: 3s"))
        view = await site.ended(run)
        while view.phase == "Waiting":
            await asyncio.sleep(1)
            view = await site.ended(run)
        assert [step.phase for step in view.steps] == ["Failed", "Omitted"]
        assert "0 of 2 approvals when the time was up" in view.steps[0].failure.message

    asyncio.run(main())


def test_each_item_of_a_fan_out_asks_for_itself(site: Site) -> None:
    spec = """\
  steps:
    each:
      forEach: "${{ ['a', 'b'] }}"
      as: one
      review: { title: "Take ${{ one }}?", reviewers: { users: [bo] } }
    after: { needs: [each], script: { run: echo behind } }
"""

    async def main() -> None:
        view = await site.run(spec)
        run = view.run.id
        assert [item.waiting.title for item in view.steps[0].items] == ["Take a?", "Take b?"]
        await site.decide(run, "each", "bo", item=1)
        await site.until(run, "each.item", "success", map_index=1)
        assert (await site.task(run, "each.item", 0))["state"] == "awaiting_input"
        await site.decide(run, "each", "bo", item=0)
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_items_that_share_a_task_are_asked_in_it_and_the_one_that_is_decided_is_found(site: Site) -> None:
    spec = """\
  steps:
    each:
      forEach: "${{ ['a', 'b', 'c', 'd'] }}"
      as: one
      review: { title: "Take ${{ one }}?", reviewers: { users: [bo] } }
"""

    async def main() -> None:
        run = (await site.run(spec)).run.id
        assert (await site.states(run))["each.item"] == ["awaiting_input"] * 3  # of four: Airflow takes three here
        await site.decide(run, "each", "bo", item=3)
        await site.decide(run, "each", "bo", item=2)
        await site.until(run, "each.item", "success", map_index=2)
        assert (await site.states(run))["each.item"] == ["awaiting_input", "awaiting_input", "success"]
        for item in (0, 1):
            await site.decide(run, "each", "bo", item=item)
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_task_that_asks_twice_shows_nothing_in_airflow_that_is_not_asked_any_more(site: Site) -> None:
    (site.folder / "part.capsule.yaml").write_text(
        """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: part }
spec:
  steps:
    first: { review: { title: "Take the first?", reviewers: { users: [bo] } } }
    second: { needs: [first], review: { title: "Delete all?", reviewers: { users: [eve] } } }
"""
    )
    spec = "  uses: { capsules: { part: ./part.capsule.yaml } }\n  steps: { part: { capsule: { use: part } } }\n"

    async def main() -> None:
        run = (await site.run(spec)).run.id
        said = f"`part` waits for people; `somagent show {run}` says for whom, and what they are asked"
        assert (await site.question(run, "part"))["subject"] == said
        await site.engine.signal(f"{run}.part", Decision(step="first", by="bo", approve=True, at=utc_now()))
        assert (await site.ended(run)).steps[0].waiting.title == "part/second: Delete all?"
        assert (await site.question(run, "part"))["subject"] == said

    asyncio.run(main())
