"""Each call of the step runner is a pod that Airflow starts, in a namespace that takes restricted pods only.

Airflow has the rights there that docs/airflow.md asks for, and no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow_servers import Airflow
from airflow_site import PATIENCE_S, Site, processes
from argo_site import NEEDED, SECRET, kubectl, store_secret
from pages import EXAMPLES

from somagent.workflows.engines.protocol import EngineError

SLOW = """\
  steps:
    slow: { script: { run: 'echo "begun $SOMAGENT_ATTEMPT"; [ "$SOMAGENT_ATTEMPT" = ENDS ] || sleep 120' } }
    last: { needs: [slow], script: { run: echo last } }
"""


class Pods(Site):
    """Runs whose steps are pods of a namespace."""

    namespace: str

    def pods(self, step: str) -> list[dict[str, Any]]:
        found = json.loads(kubectl(self.namespace, "get", "pods", "-l", f"somagent.io/step={step}", "-o", "json"))
        return list(found["items"])

    def at_work(self, run: str, step: str, attempt: int) -> bool:
        """Whether that attempt has told of itself; what it writes is kept while it is at work."""
        return f"begun {attempt}" in "".join(chunk.text for chunk in self.engine.logs(run, step))


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """One of its own, and in it the account of Airflow, the store's Secret and another one."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"needs a cluster, an object store and the runner's image: set {', '.join(missing)}")
    name = f"airflow-{os.urandom(4).hex()}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    token = {"metadata": {"name": "git-writer"}, "stringData": {"token": "abcdefgh"}}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        store_secret(),
        {"apiVersion": "v1", "kind": "Secret", **token},
    ]
    for text in [*map(json.dumps, objects), (EXAMPLES / "airflow" / "rights.yaml").read_text()]:
        kubectl(name, "apply", "-f", "-", text=text)
    yield name
    kubectl(name, "delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def connected(namespace: str, airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The namespace, when Airflow has a connection to the cluster as that account."""
    config = json.loads(kubectl(namespace, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"][0]["user"] = {"token": kubectl(namespace, "create", "token", "airflow").strip()}
    extra = json.dumps({"kube_config": json.dumps(config)})
    body = {"connection_id": "kubernetes_default", "conn_type": "kubernetes", "extra": extra}
    admin = Site(airflow, tmp_path_factory.mktemp("admin")).rest_of("admin")
    asyncio.run(admin.post("connections", body=body))
    return namespace


@pytest.fixture
def pods(connected: str, airflow: Airflow, tmp_path: Path) -> Iterator[Pods]:
    """An engine there; whatever a test leaves at work is stopped."""
    reached = {"AWS_ENDPOINT_URL": os.environ["S3_ENDPOINT"]}
    before = {name: os.environ.get(name) for name in reached}
    os.environ.update(reached)
    bucket = f"s3://{os.environ['S3_BUCKET']}/tests/{os.urandom(4).hex()}"
    way = {"SOMAGENT_RUNS_SECRET": SECRET, "SOMAGENT_NAMESPACE": connected}
    site = Pods(airflow, tmp_path, bucket, SOMAGENT_IMAGE=os.environ["SOMAGENT_IMAGE"], **way)
    site.namespace = connected
    yield site
    asyncio.run(site.leave())
    for name, text in before.items():
        os.environ.pop(name)
        os.environ.update({} if text is None else {name: text})


async def until(holds: Callable[[], bool]) -> None:
    """Returns when it is so."""
    end = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < end
        await asyncio.sleep(0.5)


def test_a_capsule_comes_out_as_it_does_in_processes(pods: Pods) -> None:
    spec = """\
  uses: { secrets: { token: { secret: git-writer, key: token, grantTo: [use] } } }
  steps:
    names:
      script: { run: 'echo "found=[\\"ada\\", \\"bo\\"]" >> "$SOMAGENT_OUTPUT"' }
      outputs: { found: { type: array, maxItems: 9, items: { type: string } } }
    idle: { if: size(steps.names.found) > 5, script: { run: echo never } }
    odd: { script: { run: '[ $SOMAGENT_ATTEMPT = 2 ] || exit 75' }, retry: { attempts: 2, backoff: 1s } }
    wrong: { script: { run: exit 3 } }
    ask: { needs: [idle], review: { title: Go on?, reviewers: { users: [bo] } } }
    use:
      needs: [ask]
      script:
        run: 'echo "long=${#TOKEN}" >> "$SOMAGENT_OUTPUT"'
        env: { TOKEN: "${{ secrets.token }}" }
        resources: { memory: 64Mi }
      outputs: { long: { type: integer } }
    greet:
      forEach: ${{ steps.names.found }}
      as: name
      maxParallel: 2
      script: { run: 'echo "Hello, $NAME"; echo "said=$NAME!" >> "$SOMAGENT_OUTPUT"', env: { NAME: "${{ name }}" } }
      outputs: { said: { type: string } }
  outputs: { said: "${{ steps.greet.map(g, g.said) }}", long: "${{ steps.use.long }}" }
  finally: { tell: { script: { run: 'echo "it $HOW"', env: { HOW: "${{ run.phase }}" } } } }
"""

    async def main() -> None:
        view = await pods.run(spec)
        run = view.run.id
        assert view.phase == "Waiting"
        question = await pods.question(run, "ask")
        assert question["subject"] == "waiting for bo (1): Go on?"
        await pods.decide(run, "ask", "bo")
        view = await pods.ended(run)
        phases = {step.id: (step.phase, step.attempts) for step in view.steps}
        assert phases == {
            "names": ("Succeeded", 1),
            "idle": ("Skipped", 0),
            "odd": ("Succeeded", 2),
            "wrong": ("Failed", 1),
            "ask": ("Succeeded", 2),
            "use": ("Succeeded", 1),
            "greet": ("Succeeded", 2),
            "tell": ("Succeeded", 1),
        }
        states = await pods.states(run)
        assert states == {
            **dict.fromkeys(("names", "odd", "ask", "use", "greet.open", "greet.close", "tell"), "success"),
            "greet.item": ["success", "success"],
            "idle": "skipped",
            "wrong": "failed",
            "end-of-run": "failed",
        }
        assert (await pods.task(run, "odd"))["try_number"] == 2
        assert "exit code 3" in await pods.log(run, "wrong")
        assert "it Failed" in await pods.log(run, "tell")
        assert json.loads(await pods.xcom(run, "idle"))["phase"] == "Skipped"
        assert kubectl(pods.namespace, "get", "pods", "-l", f"somagent.io/run={run}", "-o", "name") == ""

    asyncio.run(main())


def test_a_pod_that_is_deleted_while_it_is_at_work_is_followed_by_another_one(pods: Pods) -> None:
    async def main() -> None:
        run = await pods.submit(SLOW.replace("ENDS", "2"))
        await until(lambda: pods.at_work(run, "slow", 1))
        kubectl(pods.namespace, "delete", "pods", "-l", f"somagent.io/run={run},somagent.io/step=slow", "--wait=false")
        view = await pods.ended(run)
        assert view.phase == "Succeeded"
        ends = [one.failure and one.failure.failure_class for one in view.steps[0].history]
        assert ends == ["cut_off", None]
        assert [step.attempts for step in view.steps] == [2, 1]

    asyncio.run(main())


def test_a_lost_task_process_finds_its_pod_again_and_a_stopped_run_ends_it(pods: Pods) -> None:
    async def main() -> None:
        run = await pods.submit(SLOW.replace("ENDS", "never"))
        await until(lambda: pods.at_work(run, "slow", 1))
        (pod,) = pods.pods("slow")
        assert not [one for one in pod["spec"]["volumes"] if "projected" in one]  # no token of the cluster
        variables = [one["name"] for one in pod["spec"]["containers"][0]["env"]]
        assert variables == ["SOMAGENT_RUNS", "SOMAGENT_RUN", "SOMAGENT_PLAN"]  # of a step that was granted no secret
        task = await pods.task(run, "slow")
        for pid in processes(f"airflow worker -- {task['id']}"):
            os.kill(pid, signal.SIGKILL)

        async def log() -> str:
            again = await pods.until(run, "slow", "running")
            return await pods.log(run, "slow", 2) if again["try_number"] == 2 else ""

        async with asyncio.timeout(PATIENCE_S):
            while "Reusing existing pod" not in await log():  # noqa: ASYNC110 - Airflow tells nobody
                await asyncio.sleep(0.5)
        assert [one["metadata"]["uid"] for one in pods.pods("slow")] == [pod["metadata"]["uid"]]
        assert pods.engine.view(run).steps[0].attempts == 1
        await pods.engine.cancel(run, by="bo")
        view = await pods.ended(run)
        assert (view.phase, [step.phase for step in view.steps]) == ("Cancelled", ["Cancelled", "Omitted"])
        await until(lambda: not pods.pods("slow"))

    asyncio.run(main())


def test_a_script_with_an_image_of_its_own_is_refused_before_anything_is_stored(pods: Pods) -> None:
    spec = '  steps: { a: { script: { run: "true", image: "python:3.12" } } }\n'
    with pytest.raises(EngineError, match="step `a` runs in an image of its own"):
        asyncio.run(pods.submit(spec))
    assert pods.runs == []
    assert list(pods.engine.runs()) == []
