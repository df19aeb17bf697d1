"""`somagent compile --target argo`: one stream of objects that a cluster needs, the same bytes every time."""

from __future__ import annotations

import re

import pytest
import yaml
from somagent_shell import Shell

PLACE = ("--target", "argo", "--image", "registry.example/somagent:1", "--runs", "s3://bucket/runs")
STEPS = """\
  description: Says {{hello}}
  version: 1.2.0
  inputs: { name: { type: string, description: Who, default: Ada } }
  steps:
    greet:
      script: { run: 'echo "greeting=Hello, $NAME" >> "$SOMAGENT_OUTPUT"', env: { NAME: "${{ inputs.name }}" } }
      outputs: { greeting: { type: string } }
"""


@pytest.fixture
def capsule(somagent: Shell) -> str:
    return somagent.capsule("greet", STEPS)


def test_the_stream_is_all_that_a_namespace_needs(somagent, capsule):
    done = somagent("compile", capsule, *PLACE, "--namespace", "agents", "--runs-secret", "store")
    assert (done.code, done.err) == (0, "")
    objects = list(yaml.safe_load_all(done.out))
    assert [f"{one['kind']}/{one['metadata']['name']}" for one in objects[:-2]] == [
        "ServiceAccount/somagent-step",
        "ServiceAccount/somagent-begin",
        "ServiceAccount/somagent-executor",
        "Secret/somagent-executor.service-account-token",
        "Role/somagent-executor",
        "RoleBinding/somagent-executor",
        "Role/somagent-begin",
        "RoleBinding/somagent-begin",
    ]
    assert {one["metadata"]["namespace"] for one in objects} == {"agents"}
    plan, template = objects[-2:]
    assert plan["kind"] == "ConfigMap"
    assert plan["immutable"] is True
    assert re.fullmatch("greet-plan-[0-9a-f]{12}", plan["metadata"]["name"])
    assert template["kind"] == "WorkflowTemplate"
    assert template["metadata"]["name"] == "greet"
    annotations = template["metadata"]["annotations"]
    assert annotations["workflows.argoproj.io/title"] == "greet 1.2.0"
    assert annotations["workflows.argoproj.io/description"] == "Says { {hello}}"
    assert template["spec"]["arguments"] == {"parameters": [{"name": "name", "description": "Who", "value": "Ada"}]}
    begin = next(one for one in template["spec"]["templates"] if one["name"] == "begin")
    assert begin["volumes"] == [
        {"name": "plan", "projected": {"sources": [{"configMap": {"name": plan["metadata"]["name"]}}]}}
    ]
    others = [one for one in template["spec"]["templates"] if "container" in one and one is not begin]
    own = {"name": "SOMAGENT_WORKFLOW", "value": "{{workflow.uid}}"}  # they work for no run of another Workflow
    assert others
    assert all(own in one["container"]["env"] for one in others)
    with_token = [one["name"] for one in template["spec"]["templates"] if one.get("automountServiceAccountToken")]
    assert with_token == ["begin"]


def test_the_bytes_are_the_same_every_time_and_go_to_a_file(somagent, capsule):
    shown = somagent("compile", capsule, *PLACE)
    wrote = somagent("compile", capsule, *PLACE, "-o", "argo.yaml", "--sizes")
    assert wrote.out == ""
    assert re.fullmatch(
        r"templates: 6 of 200 \(3%\)\ntasks of the largest DAG: 1 of 200 \(0%\)\n"
        r"bytes of the template: [\d,]+ of 1,048,576 \(1%\)\nbytes of a run, with its 12 nodes: .*\n",
        wrote.err,
    )
    assert (somagent.folder / "argo.yaml").read_text() == shown.out
    variables = {"SOMAGENT_IMAGE": PLACE[3], "SOMAGENT_RUNS": PLACE[5]}
    assert somagent("compile", capsule, "--target", "argo", **variables).out == shown.out


def test_what_is_missing_or_can_be_no_object_is_said(somagent, capsule):
    def said(*arguments: str) -> str:
        done = somagent("compile", capsule, *arguments)
        assert (done.code, done.out) == (2, "")
        return done.err

    assert "--image IMAGE, or $SOMAGENT_IMAGE, says the image of the step runner" in said("--target", "argo")
    assert "--runs URL, or $SOMAGENT_RUNS, says the object store" in said("--target", "argo", "--image", "x")
    assert "`Big` can be no name of a WorkflowTemplate" in said(*PLACE, "--name", "Big")
    assert "which Argo takes for a template" in said(*PLACE, "--runs-secret", "{{workflow.name}}")
    broken = somagent("compile", somagent.capsule("broken", "  steps:\n    a: {}\n"), *PLACE)
    assert (broken.code, broken.out) == (1, "")
    assert broken.err.endswith("has mistakes and was not compiled\n")


def test_small_steps_share_a_pod_unless_it_is_switched_off(somagent):
    steps = "".join(
        f'    s{number}: {{ needs: [{f"s{number - 1}" if number else ""}], script: {{ run: "true" }} }}\n'
        for number in range(3)
    )
    chain = somagent.capsule("chain", f"  steps:\n{steps}")

    def tasks(*options: str) -> list[str]:
        template = list(yaml.safe_load_all(somagent("compile", chain, *PLACE, *options).out))[-1]
        (main,) = [one for one in template["spec"]["templates"] if one["name"] == "main"]
        return [task["name"] for task in main["dag"]["tasks"]]

    assert tasks() == ["Steps-s0-s1-s2"]
    assert tasks("--no-fuse") == ["s0", "s1", "s2"]


def test_pods_are_found_by_run_step_and_what_the_constitution_says_of_it(somagent):
    steps = """\
    ask: { review: { title: "Go on?", reviewers: { users: [bob] } } }
    own_: { needs: [ask], script: { run: "true", resources: { memory: 64Mi } } }
    each: { forEach: "${{ [1, 2] }}", script: { run: "true" } }
    one: { script: { run: "true" } }
    two: { needs: [one], script: { run: "true" } }
"""
    capsule = somagent.capsule("labelled", f"  steps:\n{steps}")
    template = list(yaml.safe_load_all(somagent("compile", capsule, *PLACE).out))[-1]
    found = {
        one["name"]: {key.removeprefix("somagent.io/"): text for key, text in one["metadata"]["labels"].items()}
        for one in template["spec"]["templates"]
        if "labels" in one.get("metadata", {})
    }
    run, step = {"run": "{{workflow.name}}"}, {"step": "{{=sprig.trimAll('_', inputs.parameters.step)}}"}
    (sized,) = [name for name in found if name.startswith("step-sized-audit-")]
    assert found == {
        "step": run | step | {"verdict": "allow"},
        sized: run | step | {"verdict": "audit"},
        "step-audit": run | step | {"verdict": "audit"},
        "open-audit": run | step | {"verdict": "audit"},
        "close-audit": run | step | {"verdict": "audit"},
        "group-audit": run | {"verdict": "audit"},
        "end": run,
    }


def test_a_capsule_that_is_too_large_for_argo_is_refused_and_one_that_is_near_is_warned_of(somagent):
    def of(count: int) -> str:
        sizes = "".join(
            f'    s{number}: {{ script: {{ run: "true", resources: {{ memory: {number + 1}Mi }} }} }}\n'
            for number in range(count)
        )
        return somagent.capsule(f"of-{count}", f"  steps:\n{sizes}")

    near = somagent("compile", of(180), *PLACE)
    assert near.code == 0
    assert near.err == "warning: templates: 185 of 200 (92%)\nwarning: tasks of the largest DAG: 180 of 200 (90%)\n"
    over = somagent("compile", of(300), *PLACE)
    assert (over.code, over.out) == (2, "")
    assert "this capsule is too large for Argo: templates: 307 of 200 (154%); split it into capsules" in over.err
