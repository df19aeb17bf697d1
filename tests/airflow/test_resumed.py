"""A run that goes on from elsewhere, or otherwise than it began, is one run, and is asked where it goes on."""

from __future__ import annotations

import asyncio

import pytest
from airflow_site import STEP_RUNNER, Site

from somagent.workflows.engines.protocol import EngineError

SPEC = """\
  steps:
    gate: { review: { title: "Go on?", reviewers: { users: [bo] } } }
    after: { needs: [gate], script: { run: echo behind } }
"""
NOT_OURS = "/bin/sh -c 'exit 64'"  # a command that is no step runner


def test_a_run_whose_command_was_wrong_goes_on_with_the_right_one_and_is_asked_there(site: Site) -> None:
    async def main() -> None:
        wrong = site.engine_of(site.settings(SOMAGENT_STEP=NOT_OURS))
        run = await site.submit(SPEC, engine=wrong)
        with pytest.raises(
            EngineError,
            match=f"^what works on {run} at http.* is over or gone.*`somagent resume {run}` goes on with it",
        ):
            await site.ended(run)
        assert await site.state(run) == "failed"
        await site.engine.go_on(run)
        assert (await site.ended(run)).phase == "Waiting"
        await site.decide(run, "gate", "bo")
        assert (await site.ended(run)).phase == "Succeeded"
        assert sorted([one["state"] for one in await site.dag_runs(run)]) == ["failed", "success"]

    asyncio.run(main())


def test_a_run_that_has_no_dag_run_is_said_to_have_none_and_goes_on_with_another_one(site: Site) -> None:
    async def main() -> None:
        with pytest.raises(EngineError) as refused:
            await site.submit(SPEC, engine=site.engine_of(site.settings(SOMAGENT_AIRFLOW_POOL="agents")))
        run = str(refused.value).partition(" ")[0]
        site.runs.append(run)
        with pytest.raises(
            EngineError, match=f"has no DAG run {run}; it was deleted.*`somagent resume {run}` begins one"
        ):
            await site.ended(run)
        await site.engine.go_on(run)
        assert (await site.ended(run)).phase == "Waiting"

    asyncio.run(main())


def test_a_run_that_waits_is_not_begun_a_second_time_by_another_installation(site: Site) -> None:
    async def main() -> None:
        run = (await site.run(SPEC)).run.id
        there = site.engine_of(site.settings(SOMAGENT_STEP=f"/usr/bin/env ELSEWHERE=yes {STEP_RUNNER}"))
        await there.go_on(run)
        assert [one["state"] for one in await site.dag_runs(run)] == ["running"]
        await site.decide(run, "gate", "bo")
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())
