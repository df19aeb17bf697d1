"""Runs that are stopped, and Airflows that die: what is recorded stays, and nothing works beside what goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from airflow_site import Site, is_gone, parent, scripts, step_runners, until

from somagent.workflows.engines.protocol import EngineError, NotTakenUp

SLOW = """\
  steps:
    first: { script: { run: echo "first $SOMAGENT_ATTEMPT" } }
    slow:
      needs: [first]
      script:
        run: |
          echo "begun $SOMAGENT_ATTEMPT" >> FOLDER/seen
          if [ "$SOMAGENT_ATTEMPT" = 1 ]; then sleep 60; fi
    last: { needs: [slow], script: { run: echo last } }
  finally: { tidy: { script: { run: 'echo "it is $HOW"', env: { HOW: "${{ run.phase }}" } } } }
"""


def seen(folder: Path) -> list[str]:
    path = folder / "seen"
    return path.read_text().splitlines() if path.exists() else []


async def at_work(site: Site) -> str:
    """A run whose second step sleeps."""
    run = await site.submit(SLOW.replace("FOLDER", str(site.folder)))
    await asyncio.to_thread(until, lambda: bool(scripts(run, "slow")))
    return run


def test_a_cancelled_run_is_stopped_at_once_tidied_up_and_failed_in_airflow(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        await site.engine.cancel(run, by="bo")
        view = await site.ended(run)
        assert (view.phase, [step.phase for step in view.steps]) == (
            "Cancelled",
            ["Succeeded", "Cancelled", "Omitted", "Succeeded"],
        )
        assert "it is Cancelled" in await site.log(run, "tidy")
        assert await site.state(run) == "failed"
        assert scripts(run, "slow") == []
        assert (await site.states(run))["end-of-run"] == "failed"

    asyncio.run(main())


def test_a_run_that_waits_for_people_is_cancelled_too(site: Site) -> None:
    async def main() -> None:
        run = (await site.run('  steps:\n    gate: { review: { title: "Go on?" } }\n')).run.id
        await site.engine.cancel(run, by="bo")
        view = await site.ended(run)
        assert (view.phase, view.steps[0].phase) == ("Cancelled", "Cancelled")

    asyncio.run(main())


def test_a_cancellation_that_did_not_reach_airflow_is_made_up_for_by_whoever_goes_on_with_the_run(site: Site) -> None:
    async def main() -> None:
        parked = (await site.run('  steps:\n    gate: { review: { title: "Go on?" } }\n')).run.id
        running = await at_work(site)
        site.airflow.kill("api-server")
        try:
            for run in (parked, running):
                with pytest.raises(NotTakenUp, match="it is written down and counts"):
                    await site.engine_of().cancel(run, by="bo")
        finally:
            site.airflow.start("api-server")
        for run in (parked, running):
            async with asyncio.timeout(60):
                assert (await site.engine_of().run(run)).phase == "Cancelled"

    asyncio.run(main())


def test_a_task_that_is_killed_takes_its_step_with_it_and_is_tried_again(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        (runner,), sleepers = step_runners(site.airflow), scripts(run, "slow")
        os.kill(parent(runner), signal.SIGKILL)
        await asyncio.to_thread(until, lambda: all(map(is_gone, [runner, *sleepers])))
        view = await site.ended(run)
        assert view.phase == "Succeeded"
        assert seen(site.folder) == ["begun 1", "begun 2"]
        ends = [one.failure and one.failure.failure_class for one in view.steps[1].history]
        assert ends == ["cut_off", None]
        assert [step.attempts for step in view.steps] == [1, 2, 1, 1]  # what was recorded did not run again

    asyncio.run(main())


def test_a_step_runner_that_is_killed_is_followed_by_one_when_its_lease_has_ended(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        began = time.monotonic()
        os.kill(step_runners(site.airflow)[0], signal.SIGKILL)
        await asyncio.to_thread(until, lambda: len(seen(site.folder)) == 2)
        assert time.monotonic() - began >= 3  # the lease
        view = await site.ended(run)
        assert [step.attempts for step in view.steps] == [1, 2, 1, 1]

    asyncio.run(main())


def test_a_scheduler_that_is_killed_with_all_it_started_loses_nothing(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        runners = step_runners(site.airflow)
        site.airflow.kill("scheduler")
        await asyncio.to_thread(until, lambda: all(map(is_gone, runners)) and not scripts(run, "slow"))
        site.airflow.start("scheduler")
        view = await site.ended(run)
        assert view.phase == "Succeeded"
        assert seen(site.folder) == ["begun 1", "begun 2"]
        assert [step.attempts for step in view.steps] == [1, 2, 1, 1]

    asyncio.run(main())


def test_a_run_is_watched_on_when_the_api_server_was_away(site: Site) -> None:
    spec = "  steps:\n    slow: { script: { run: sleep 8 } }\n    last: { needs: [slow], script: { run: echo last } }\n"

    async def main() -> None:
        run = await site.submit(spec)
        watched = asyncio.create_task(site.ended(run))
        await site.until(run, "slow", "running")
        site.airflow.kill("api-server")
        await asyncio.sleep(3)
        await asyncio.to_thread(site.airflow.start, "api-server")
        view = await watched
        assert view.phase == "Succeeded"

    asyncio.run(main())


def test_a_run_that_was_stopped_in_airflow_can_be_begun_anew_and_keeps_what_it_had(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        new = await site.engine.retry_from(run)
        site.runs.append(new)
        await site.engine.cancel(run, by="bo")
        assert (await site.ended(run)).phase == "Cancelled"
        view = await site.ended(new)
        assert (view.steps[0].phase, view.steps[0].attempts) == ("Succeeded", 1)
        assert view.run.retry_of == run

    asyncio.run(main())


def test_two_submissions_of_one_run_are_one(site: Site) -> None:
    async def main() -> None:
        run = await at_work(site)
        await site.engine.go_on(run)
        assert len(step_runners(site.airflow)) == 1
        await site.engine.cancel(run, by="bo")
        view = await site.ended(run)
        assert view.steps[0].attempts == 1
        with pytest.raises(EngineError, match="has ended: Cancelled"):
            await site.engine.cancel(run, by="bo")

    asyncio.run(main())
