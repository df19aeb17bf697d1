"""What is wrong is said before anything begins, or while it does not, with the place and the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from airflow_site import PATIENCE_S, Site

from somagent.workflows.engines.airflow.deploying import deploy
from somagent.workflows.engines.airflow.emit.dag import Emitted
from somagent.workflows.engines.protocol import EngineError

SPEC = "  steps:\n    a: { script: { run: echo hello } }\n"


def refusal(site: Site, user: str = "sam", **environment: str) -> str:
    """What is said to a submission."""
    with pytest.raises(EngineError) as refused:
        asyncio.run(site.submit(SPEC, engine=site.engine_of(site.settings(user, **environment))))
    return str(refused.value)


def test_no_server(site: Site) -> None:
    said = refusal(site, SOMAGENT_AIRFLOW_URL="http://127.0.0.1:9")
    assert "no Airflow answers at http://127.0.0.1:9" in said
    assert "SOMAGENT_AIRFLOW_URL says where it is" in said


def test_a_wrong_password(site: Site) -> None:
    said = refusal(site, SOMAGENT_AIRFLOW_PASSWORD="wrong")
    assert "does not know this account: SOMAGENT_AIRFLOW_USER and SOMAGENT_AIRFLOW_PASSWORD" in said


def test_no_rights(site: Site) -> None:
    said = refusal(site, "vera")
    assert "`vera` may not POST /api/v2/dags/demo-" in said
    assert "give it a role that may" in said


def test_a_variable_that_is_not_set(site: Site) -> None:
    with pytest.raises(EngineError, match="SOMAGENT_AIRFLOW_DAGS is not set; SOMAGENT_AIRFLOW_URL is the address of"):
        site.settings(SOMAGENT_AIRFLOW_DAGS="")


def test_a_pool_that_there_is_not_or_that_has_no_slots(site: Site) -> None:
    said = refusal(site, SOMAGENT_AIRFLOW_POOL="agents")
    assert "Airflow has no pool `agents` (SOMAGENT_AIRFLOW_POOL); there are: default_pool" in said
    body = {"name": site.folder.name, "slots": 0, "description": "", "include_deferred": False}
    asyncio.run(site.rest_of("admin").post("pools", body=body))
    said = refusal(site, SOMAGENT_AIRFLOW_POOL=site.folder.name)
    assert f"pool `{site.folder.name}` has no slots, so nothing could begin" in said


def test_a_pool_whose_slots_are_all_taken_is_said_while_nothing_begins(site: Site) -> None:
    pool = site.folder.name
    body = {"name": pool, "slots": 1, "description": "", "include_deferred": False}
    asyncio.run(site.rest_of("admin").post("pools", body=body))
    spec = "  steps:\n    a: { script: { run: sleep 60 } }\n    b: { script: { run: sleep 60 } }\n"

    async def main() -> None:
        engine = site.engine_of(site.settings(SOMAGENT_AIRFLOW_POOL=pool))
        run = await site.submit(spec, engine=engine)
        async with asyncio.timeout(60):
            async for event in engine.watch(run):
                if event.kind == "trouble":
                    assert event.message == f"no free slots in pool `{pool}`: all 1 are taken"
                    break

    asyncio.run(main())


def test_an_error_in_the_dag_file_is_told_with_its_line(site: Site) -> None:
    async def main() -> None:
        emitted = Emitted(
            f"broken-{site.folder.name[-12:]}", "from airflow.sdk import DAG\nimport nothing_like_that\n", b"{}"
        )
        await deploy(site.rest, emitted, site.airflow.dags)

    with pytest.raises(EngineError) as refused:
        asyncio.run(main())
    assert f"{site.airflow.dags}/broken-" in str(refused.value)
    assert str(refused.value).endswith(".py:2: ModuleNotFoundError: No module named 'nothing_like_that'")


def test_an_error_in_the_dag_file_that_is_mended_is_told_no_more(site: Site) -> None:
    name, missing = f"mended-{site.folder.name[-12:]}", site.folder / "missing"
    dag = f"from airflow.sdk import DAG\nopen({str(missing)!r})\nwith DAG({name!r}, schedule=None): pass\n"

    async def main() -> None:
        emitted = Emitted(name, dag, b"{}")
        for _ in range(2):  # also when it was tried again in vain
            with pytest.raises(EngineError, match=r"\.py:2: FileNotFoundError"):
                await deploy(site.rest, emitted, site.airflow.dags)
        missing.touch()
        await deploy(site.rest, emitted, site.airflow.dags)

    asyncio.run(main())


@asynccontextmanager
async def paused(site: Site, dag_id: str) -> AsyncIterator[None]:
    await site.rest.patch("dags", dag_id, body={"is_paused": True})
    try:
        yield
    finally:
        await site.rest.patch("dags", dag_id, body={"is_paused": False})


async def until_it_is_said(site: Site, run: str, dag_id: str) -> None:
    async with asyncio.timeout(60):
        async for event in site.engine.watch(run):
            if event.kind == "trouble":
                assert event.message == f"the DAG {dag_id} is paused in Airflow; switch it on there"
                break


def test_a_dag_that_is_paused_is_said_while_nothing_begins(site: Site) -> None:
    async def main() -> None:
        first = await site.run(SPEC)
        dag_id = (await site.dag_run(first.run.id))["dag_id"]
        async with paused(site, dag_id):
            run = await site.submit(SPEC)
            await until_it_is_said(site, run, dag_id)
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_dag_that_is_paused_between_two_steps_is_said_too(site: Site) -> None:
    async def main() -> None:
        run = await site.submit(
            "  steps:\n    a: { script: { run: sleep 3 } }\n    b: { needs: [a], script: { run: echo } }\n"
        )
        await site.until(run, "a", "running")
        dag_id = (await site.dag_run(run))["dag_id"]
        async with paused(site, dag_id):
            await until_it_is_said(site, run, dag_id)
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_scheduler_that_is_gone_is_said_while_nothing_begins(site: Site) -> None:
    async def main() -> None:
        site.airflow.kill("scheduler")
        try:
            run = await site.submit(SPEC)
            async with asyncio.timeout(60):
                async for event in site.engine.watch(run):
                    if event.kind == "trouble":
                        assert event.message == "Airflow's scheduler gives no sign of life; start it: airflow scheduler"
                        break
        finally:
            site.airflow.start("scheduler")
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


def test_a_dag_processor_that_is_gone_is_said_before_a_new_plan_begins(site: Site) -> None:
    site.airflow.kill("dag-processor")
    try:
        said = refusal(site)
    finally:
        site.airflow.start("dag-processor")
    assert "is stored and may not have begun: Airflow's DAG processor gives no sign of life" in said


def test_a_dag_run_of_another_plan_by_the_name_of_a_run_fails_and_leaves_that_run_as_it_is(site: Site) -> None:
    async def main() -> None:
        run = (await site.run("  steps:\n    gate: { review: { title: Go on? } }\n")).run.id
        other = (await site.run("  steps:\n    other: { script: { run: echo } }\n")).run.id
        dag_id = (await site.dag_run(other))["dag_id"]
        body = {"dag_run_id": run, "logical_date": None, "conf": {}}
        await site.rest.post("dags", dag_id, "dagRuns", body=body)
        assert await failed(site, dag_id, run) == {"other": "failed", "end-of-run": "failed"}
        assert "another capsule, or another version of it" in await site.log(run, "other")
        assert site.engine.view(run).phase == "Waiting"
        await site.decide(run, "gate", "bo")
        assert (await site.ended(run)).phase == "Succeeded"

    asyncio.run(main())


async def failed(site: Site, dag_id: str, run: str) -> dict[str, str]:
    """States of the tasks of a DAG run, when it has failed."""
    async with asyncio.timeout(PATIENCE_S):
        while (await site.rest.get("dags", dag_id, "dagRuns", run))["state"] != "failed":  # noqa: ASYNC110 - tells nobody
            await asyncio.sleep(0.2)
    tasks = (await site.rest.get("dags", dag_id, "dagRuns", run, "taskInstances"))["task_instances"]
    return {one["task_id"]: one["state"] for one in tasks}


def test_a_command_that_ends_well_and_says_nothing_is_no_step_that_is_through(site: Site) -> None:
    async def main() -> None:
        run = await site.submit(SPEC, engine=site.engine_of(site.settings(SOMAGENT_STEP="/bin/true")))
        await site.until(run, "a", "up_for_retry")
        log = await site.log(run, "a")
        assert "the step runner ended with exit code 0" in log
        assert "KeyError" not in log

    asyncio.run(main())
