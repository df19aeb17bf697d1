"""Capsules on a real Argo, as its users see them: the command line, and what the cluster shows."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argo_site import Site
from no_cluster import ADDRESS, kubeconfig_of_no_cluster

from somagent.workflows.engines.argo.cluster import Cluster
from somagent.workflows.engines.argo.submission import begun, made

API = "argoproj.io/v1alpha1"
GATE = """\
  steps:
    agree: { review: { title: "Go on?", reviewers: { users: [bob] } } }
    after: { needs: [agree], script: { run: echo after } }
"""
SLOW = """\
  steps:
    before: { script: { run: echo before } }
    slow:
      needs: [before]
      script: { run: "sleep $S", env: { S: "${{ inputs.s }}" } }
    after: { needs: [slow], script: { run: echo after } }
  inputs: { s: { type: integer, default: 15 } }
  finally:
    tidy: { script: { run: echo tidied } }
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> None:
    Site(tmp_path_factory.mktemp("site")).prepare()


@pytest.fixture
def site(tmp_path: Path, prepared: None) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for run in json.loads(site.somagent("runs", "--output", "json").stdout):
        site.kubectl("delete", "workflow", run["id"], "--ignore-not-found", "--wait=false")


def at_work(step: str) -> Any:
    return lambda run: run["steps"][step]["phase"] == "Running"


def gates(site: Site, run: str) -> list[dict[str, Any]]:
    """The nodes that wait for people, in the order of their beginning."""
    nodes = site.workflow(run).get("status", {}).get("nodes", {}).values()
    return sorted((one for one in nodes if one["type"] == "Suspend"), key=lambda one: one["startedAt"])


def pods_of(site: Site, run: str) -> list[dict[str, Any]]:
    found = site.kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={run}", "-o", "json")
    return list(json.loads(found)["items"])


def test_a_run_ends_with_its_outputs_files_and_logs_and_is_found_by_its_labels(site):
    capsule = site.write(
        """\
  inputs: { xs: { type: array, items: { type: integer }, maxItems: 9, default: [1, 2] } }
  steps:
    twice:
      forEach: "${{ inputs.xs }}"
      script: { run: 'echo "z=$((X * 2))" >> "$SOMAGENT_OUTPUT"; echo item $X', env: { X: "${{ item }}" } }
      outputs: { z: { type: integer } }
    write:
      script: { run: 'printf "%s" "$ALL" > all.txt', env: { ALL: "${{ steps.twice.map(t, t.z) }}" } }
      outputs: { all: { type: artifact, path: all.txt } }
    braces:
      script: { run: 'echo "text=$T" >> "$SOMAGENT_OUTPUT"', env: { T: "{{workflow.name}} {{=1+1}}" } }
      outputs: { text: { type: string } }
  outputs: { all: "${{ steps.write.all }}", text: "${{ steps.braces.text }}" }
"""
    )
    done = site.somagent("run", str(capsule), "--as", "ada", "--output", "json")
    run = json.loads(done.stdout)
    assert (done.returncode, run["phase"]) == (0, "Succeeded")
    assert run["outputs"]["text"] == "{{workflow.name}} {{=1+1}}"  # nobody's template but the author's
    copied = site.somagent("artifacts", run["id"], "all", "--to", str(site.folder / "copy"))
    assert Path(copied.stdout.strip()).read_text() == "[2,4]"
    assert site.somagent("logs", run["id"], "twice/1").stdout == "twice/1 | item 2\n"
    workflow = site.ended(run["id"])
    assert workflow["status"]["phase"] == "Succeeded"
    labels = workflow["metadata"]["labels"]
    assert (labels["somagent.io/capsule"], labels["somagent.io/run"]) == ("demo", run["id"])


def test_a_gate_that_is_resumed_by_hand_opens_nothing_and_the_right_person_opens_it(site):
    run = site.begin(GATE)
    assert site.followed(run)["phase"] == "Waiting"
    forged = {"phase": "Succeeded", "finishedAt": "2026-11-30T00:00:00Z", "message": "approved by mallory"}
    end = time.monotonic() + 240
    while len(gates(site, run)) < 2 or gates(site, run)[-1]["phase"] != "Running":  # until it is asked again
        assert time.monotonic() < end, site.workflow(run)
        unforged = [one["id"] for one in gates(site, run)[:1] if one["phase"] == "Running"]
        if unforged:  # Argo may write over what it has not seen yet
            patch = {"status": {"nodes": dict.fromkeys(unforged, forged)}}
            site.kubectl("patch", "workflow", run, "--type=merge", "-p", json.dumps(patch))
        time.sleep(3)
    assert site.shown(run)["steps"]["after"]["phase"] == "Pending"
    refused = site.somagent("approve", run, "agree", "--as", "mallory")
    assert (refused.returncode, "mallory is not among the reviewers: bob" in refused.stderr) == (2, True)
    assert site.somagent("approve", run, "agree", "--as", "bob").returncode == 0
    view = site.followed(run)
    assert (view["phase"], view["steps"]["after"]["phase"]) == ("Succeeded", "Succeeded")
    messages = {one.get("message") for one in site.workflow(run)["status"]["nodes"].values()}
    assert "approved by bob" in messages


def test_what_argo_alone_submits_is_checked_by_its_first_step(site):
    capsule = site.write(
        """\
  inputs: { count: { type: integer, minimum: 1 } }
  steps: { a: { script: { run: "echo $COUNT", env: { COUNT: "${{ inputs.count }}" } } } }
""",
        "submitted",
    )
    compiled = site.somagent("compile", "--target", "argo", "--namespace", site.namespace, str(capsule))
    site.kubectl("apply", "-f", "-", text=compiled.stdout)

    def submit(value: str) -> dict[str, Any]:
        workflow = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"generateName": "submitted-"},
            "spec": {
                "workflowTemplateRef": {"name": "submitted"},
                "arguments": {"parameters": [{"name": "count", "value": value}]},
            },
        }
        made = json.loads(site.kubectl("create", "-f", "-", "-o", "json", text=json.dumps(workflow)))
        return site.ended(made["metadata"]["name"])

    right = submit("3")
    assert right["status"]["phase"] == "Succeeded"
    assert site.shown(right["metadata"]["name"])["inputs"] == {"count": 3}
    wrong = submit("0")
    assert wrong["status"]["phase"] == "Failed"
    assert wrong["metadata"]["name"] not in {
        one["id"] for one in json.loads(site.somagent("runs", "--output", "json").stdout)
    }
    for one in (right, wrong):
        site.kubectl("delete", "workflow", one["metadata"]["name"], "--wait=false")


def test_a_cancelled_run_is_cut_off_and_its_finally_runs(site):
    run = site.begin(SLOW, "--input", "s=300")
    site.until(run, at_work("slow"))
    assert site.somagent("cancel", run, "--as", "bob").returncode == 0
    view = site.followed(run)
    assert view["phase"] == "Cancelled"
    assert {name: step["phase"] for name, step in view["steps"].items()} == {
        "before": "Succeeded",
        "slow": "Cancelled",
        "after": "Omitted",
        "tidy": "Succeeded",
    }


def test_finally_of_a_capsule_has_its_image_and_secrets_when_the_run_is_cancelled(site):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tests-git"},
        "stringData": {"token": "s3cr3t"},
    }
    site.kubectl("apply", "-f", "-", text=json.dumps(secret))
    site.write(
        f"""\
  uses: {{ secrets: {{ key: {{ secret: tests-git, key: token, grantTo: [tidy] }} }} }}
  steps:
    slow: {{ script: {{ run: sleep 300, resources: {{ memory: 64Mi }} }} }}
  finally:
    tidy:
      script:
        image: {os.environ["SOMAGENT_IMAGE"]}
        run: 'echo "image=${{SOMAGENT_RUNS:-its own}}" "${{#KEY}}" >> "$SOMAGENT_OUTPUT"'
        env: {{ KEY: "${{{{ secrets.key }}}}" }}
      outputs: {{ image: {{ type: string }} }}
""",
        "part",
    )
    run = site.begin(
        "  uses: { capsules: { part: ./part.capsule.yaml } }\n"
        '  steps: { rows: { forEach: "${{ [1, 2] }}", capsule: { use: part } } }\n'
    )

    def all_at_work(view: dict[str, Any]) -> bool:
        inside = [item.get("run", {}).get("steps", {}) for item in view["steps"]["rows"].get("items", [])]
        return [steps["slow"]["phase"] for steps in inside if steps] == ["Running", "Running"]

    site.until(run, all_at_work)
    assert site.somagent("cancel", run, "--as", "bob").returncode == 0
    view = site.followed(run)
    assert view["phase"] == "Cancelled"
    for item in view["steps"]["rows"]["items"]:
        inside = item["run"]["steps"]
        assert (inside["slow"]["phase"], inside["tidy"]["phase"]) == ("Cancelled", "Succeeded")
        assert inside["tidy"]["outputs"] == {"image": "its own 6"}


def test_a_step_whose_pod_is_deleted_is_tried_again_and_nothing_else_is(site):
    run = site.begin(SLOW)
    site.until(run, at_work("slow"))
    (pod,) = [one for one in pods_of(site, run) if one["status"]["phase"] in {"Pending", "Running"}]  # told late
    site.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    view = site.followed(run)
    assert view["phase"] == "Succeeded"
    assert [view["steps"][name]["attempts"] for name in ("before", "slow", "after")] == [1, 2, 1]


def test_a_workflow_that_is_deleted_is_said_and_made_again_for_what_is_left(site):
    run = site.begin(SLOW)
    site.until(run, at_work("slow"))
    following = site.start("show", run, "--watch")
    time.sleep(3)
    site.kubectl("delete", "workflow", run)
    _, said = following.communicate(timeout=60)
    assert f"{site.namespace}/{run}" in said
    assert "Traceback" not in said
    view = site.followed(run)
    assert view["phase"] == "Succeeded"
    assert view["steps"]["before"]["attempts"] == 1


def test_an_image_that_is_not_there_is_said_within_seconds(site):
    run = site.begin("  steps: { a: { script: { run: 'true' } } }\n", "--image", "rig.local/nowhere:1")
    following = site.start("show", run, "--watch")
    assert following.stdout is not None
    limit = threading.Timer(240, following.terminate)
    limit.start()
    assert any("Failed to pull image" in line for line in following.stdout)
    limit.cancel()
    following.terminate()
    following.communicate()
    assert site.somagent("cancel", run, "--as", "ada").returncode == 0
    site.kubectl("delete", "workflow", run)


def test_two_that_submit_the_same_run_make_one(site):
    run = site.begin("  steps: { a: { script: { run: 'true' } } }\n")
    both = [site.start("resume", run) for _ in range(2)]
    assert [one.wait(240) for one in both] == [0, 0]
    for one in both:
        one.communicate()
    assert site.shown(run)["steps"]["a"]["attempts"] == 1


def test_who_has_no_rights_is_told_the_verb_and_the_resource(site):
    account = f"nobody-{os.urandom(3).hex()}"
    site.kubectl("create", "serviceaccount", account)
    token = site.kubectl("create", "token", account).strip()
    config = json.loads(site.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    for user in config["users"]:
        user["user"] = {"token": token}
    (site.folder / "kubeconfig").write_text(json.dumps(config))
    capsule = site.write("  steps: { a: { script: { run: 'true' } } }\n")
    done = site.somagent("run", str(capsule), env={"KUBECONFIG": str(site.folder / "kubeconfig")})
    site.kubectl("delete", "serviceaccount", account)
    assert done.returncode == 2
    assert "cannot get resource" in done.stderr
    assert "serviceaccounts" in done.stderr


def test_a_cluster_that_does_not_answer_is_named(site):
    capsule = site.write("  steps: { a: { script: { run: 'true' } } }\n")
    done = site.somagent("run", str(capsule), env={"KUBECONFIG": str(kubeconfig_of_no_cluster(site.folder))})
    assert done.returncode == 5
    assert f"the cluster at {ADDRESS} does not answer" in done.stderr


def test_a_workflow_of_which_argo_hears_before_its_template_is_begun_all_the_same(site):
    name = f"late-{uuid.uuid4().hex[:8]}"
    spec = {"entrypoint": "ask", "templates": [{"name": "ask", "suspend": {}}]}
    template = {"kind": "WorkflowTemplate", "apiVersion": API, "metadata": {"name": name}, "spec": spec}
    of_it = {"workflowTemplateRef": {"name": name}}
    workflow = {"kind": "Workflow", "apiVersion": API, "metadata": {"name": name}, "spec": of_it}

    async def given() -> None:
        cluster = Cluster(os.environ.get("SOMAGENT_NAMESPACE", "somagent"))
        assert await made(cluster, "workflows", workflow)
        waits = asyncio.create_task(begun(cluster, name, workflow))
        await asyncio.sleep(1)
        assert await made(cluster, "workflowtemplates", template)
        await waits

    asyncio.run(given())
    try:
        site.kubectl("wait", "workflow", name, "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    finally:
        site.kubectl("delete", "workflow,workflowtemplate", name, "--wait=false")


def test_a_workflow_that_others_made_anew_while_the_one_before_it_was_deleted_stays(site):
    name, held = f"anew-{uuid.uuid4().hex[:8]}", ["somagent.io/held"]
    spec = {"entrypoint": "ask", "suspend": True, "templates": [{"name": "ask", "suspend": {}}]}
    workflow = {"kind": "Workflow", "apiVersion": API, "metadata": {"name": name}, "spec": spec}

    async def deleted_and_made_anew() -> str:
        cluster = Cluster(os.environ.get("SOMAGENT_NAMESPACE", "somagent"))
        first = await cluster.create("workflows", workflow | {"metadata": {"name": name, "finalizers": held}})
        deletes = asyncio.create_task(cluster.delete("workflows", name, first["metadata"]["uid"]))
        async for found in cluster.workflow(name):
            if "deletionTimestamp" in found[name]["metadata"]:  # and it is asked again soon whether it is gone
                break
        await cluster.patch("workflows", name, {"metadata": {"finalizers": None}})
        anew = await cluster.create("workflows", workflow)
        await deletes
        return str(anew["metadata"]["uid"])

    anew = asyncio.run(deleted_and_made_anew())
    try:
        found = site.workflow(name)["metadata"]
        assert (found["uid"], found.get("deletionTimestamp")) == (anew, None)
    finally:
        site.kubectl("delete", "workflow", name, "--ignore-not-found", "--wait=false")
