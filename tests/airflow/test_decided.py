"""A decision takes the run on also where Airflow does not know yet that people are asked; else it is said."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from airflow_site import PATIENCE_S, STEP_RUNNER, Site

from somagent.operators.runner.records import Decision, StepKey
from somagent.workflows.engines.airflow.driver import AirflowDriver
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.engine import ObjectEngine
from somagent.workflows.engines.protocol import NotTakenUp

LINGERS = f"""/bin/sh -c '{STEP_RUNNER} "$@"; code=$?; sleep 2; exit $code' step"""  # as on a busy machine
NOT_OURS = "/bin/sh -c 'exit 64'"  # a command that is no step runner


async def asked(site: Site, run: str) -> None:
    """Returns as soon as it is recorded that people are asked in the first step, which Airflow hears of later."""

    def is_asked() -> bool:
        (first, *_) = site.engine.view(run).steps
        return bool(first.waiting or (first.inner is not None and first.inner.steps[0].waiting))

    async with asyncio.timeout(PATIENCE_S):
        while not is_asked():  # noqa: ASYNC110 - a bucket tells nobody
            await asyncio.sleep(0.02)


def test_what_is_decided_before_the_task_has_parked_takes_it_on_and_nobody_need_follow_the_run(site: Site) -> None:
    async def main() -> None:
        slow = site.engine_of(site.settings(SOMAGENT_STEP=LINGERS))
        run = await site.submit("  steps:\n    gate: { review: { title: Go on? } }\n", engine=slow)
        await asked(site, run)
        assert (await site.task(run, "gate"))["state"] == "running"
        await site.decide(run, "gate", "bo")
        assert await site.state(run) == "success"
        assert site.engine.view(run).phase == "Succeeded"

    asyncio.run(main())


def test_what_is_decided_inside_while_others_are_at_work_in_the_task_is_said_and_taken_up_later(site: Site) -> None:
    (site.folder / "part.capsule.yaml").write_text(
        f"""\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: {{ name: part }}
spec:
  steps:
    gate: {{ review: {{ title: Go on? }} }}
    slow: {{ script: {{ run: 'until [ -e {site.folder}/go ]; do sleep 0.1; done' }} }}
    after: {{ needs: [gate, slow], script: {{ run: echo after }} }}
"""
    )
    spec = "  uses: { capsules: { part: ./part.capsule.yaml } }\n  steps: { part: { capsule: { use: part } } }\n"

    async def main() -> None:
        run = await site.submit(spec)
        await asked(site, run)
        driver = AirflowDriver(site.settings(), patience_s=3)
        hasty = ObjectEngine(site.bucket, site.folder / "data", {}, driver=driver)
        said = f"Airflow has not gone on with {run}: its task `part` is running; it is written down and counts, and the"
        with pytest.raises(NotTakenUp, match=f"^{re.escape(said)}.* resume {run}$"):
            await hasty.signal(f"{run}.part", Decision(step="gate", by="bo", approve=True, at=utc_now()))
        (site.folder / "go").touch()
        assert await site.state(run) == "success"
        assert site.engine.view(run).phase == "Succeeded"

    asyncio.run(main())


def test_a_cancellation_that_comes_to_a_dag_run_that_is_over_is_said(site: Site) -> None:
    async def main() -> None:
        run = await site.submit(
            "  steps:\n    first: { script: { run: echo } }\n",
            engine=site.engine_of(site.settings(SOMAGENT_STEP=NOT_OURS)),
        )
        assert await site.state(run) == "failed"
        said = rf"DAG run {run} of demo-\w+ is over there \(failed\), so nothing there runs `finally`.* resume {run}$"
        with pytest.raises(NotTakenUp, match=said):
            await site.engine.cancel(run, by="bo")
        await site.engine.go_on(run)
        assert (await site.ended(run)).phase == "Cancelled"

    asyncio.run(main())


def test_a_decision_that_comes_to_a_dag_run_that_is_over_is_said_at_once(site: Site) -> None:
    async def main() -> None:
        run = (await site.run("  steps:\n    gate: { review: { title: Go on? } }\n")).run.id
        await site.patch_task(run, "gate", "failed")
        await site.until(run, "end-of-run", "success", "failed")
        await site.state(run)
        began = time.monotonic()
        with pytest.raises(NotTakenUp, match=rf"DAG run {run} of demo-\w+ is over there \(failed\)"):
            await AirflowDriver(site.settings()).go_on(run, {StepKey(run, "gate"): "bo approved"})
        assert time.monotonic() - began < 20

    asyncio.run(main())
