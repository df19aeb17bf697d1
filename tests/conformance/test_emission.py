"""Capsules of cases as workflows for Argo: whole, within Argo's limits, and without a word of its author's.

Whether Argo takes it is asked of Argo (`make test-argo`); this is what can be said without a cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hera.workflows import models as m
from hypothesis import given
from hypothesis import strategies as st

from somagent.capsule_compiler.plan import Edge, Node, Plan
from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_file, find_capsule, library, this_installation
from somagent.workflows.engines.argo.emit.groups import grouped
from somagent.workflows.engines.argo.emit.passing import as_json
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.workflow import workflow_template
from somagent.workflows.engines.granted import handed_in
from somagent.workflows.engines.protocol import EngineError

from .cases import Case, all_cases, compiled

PLACE = Place(image="registry.example/somagent:1", runs="s3://bucket/runs", runs_secret="somagent-runs")
OURS = re.compile(
    r"\{\{(=sprig\.trimAll\('_', inputs\.parameters\.step\)"
    r"|(inputs\.parameters\.|tasks\.open\.|steps\.(ask|open|close)\.|workflow\.name|item)[a-z.]*)\}\}"
)


SHOWN = [
    case for case in all_cases() if case.feature in {"order", "gate-approve", "collect", "finally", "retry", "key"}
]


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.name)
def test_cases_of_every_graph_are_whole_workflows(case: Case, tmp_path: Path) -> None:
    plan = compiled(case, tmp_path).plan
    assert plan is not None
    check(plan)


@pytest.mark.parametrize("name", library())
def test_every_library_capsule_is_a_whole_workflow(name: str) -> None:
    plan = compile_file(find_capsule(name), this_installation(), default_constitution()).plan
    assert plan is not None
    check(plan)


def test_no_text_of_a_capsule_reaches_argos_templates(tmp_path: Path) -> None:
    hostile = "{{workflow.uid}} {{=sprig.env('HOME')}} {{inputs.parameters.step}}"
    spec = {
        "description": hostile,
        "steps": {
            "a": {"script": {"run": f"echo '{hostile}'", "env": {"A": hostile}}},
            "ask": {"review": {"title": hostile, "reviewers": {"users": ["bo"]}}},
            "each": {"forEach": "${{ ['{{item}}'] }}", "as": "one", "script": {"run": "true"}},
        },
        "finally": {"tell": {"script": {"run": hostile}}},
    }
    plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
    assert plan is not None
    emitted = workflow_template(plan, PLACE)
    for text in _texts(emitted):
        assert "{{" not in OURS.sub("", text), text


def test_a_pod_asks_for_what_its_script_may_use_and_has_the_secrets_of_its_step_alone(tmp_path: Path) -> None:
    spec = {
        "uses": {"secrets": {"token": {"secret": "git-writer", "key": "token", "grantTo": ["small"]}}},
        "steps": {
            "plain": {"script": {"run": "true"}},
            "small": {
                "script": {
                    "run": "true",
                    "env": {"TOKEN": "${{ secrets.token }}"},
                    "resources": {"memory": "1.5Gi", "cpu": "500m"},
                }
            },
            "other": {"script": {"run": "true", "image": "registry.example/tool:2", "resources": {"memory": "64Mi"}}},
        },
    }
    plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
    assert plan is not None
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}
    pods = {task["name"]: templates[task["template"]] for task in _tasks(templates["main"])}
    sizes = {name: pod["container"]["resources"] for name, pod in pods.items()}
    runner = {"requests": {"memory": "128Mi", "cpu": "50m"}}
    assert sizes["plain"] == sizes["other"] == runner
    assert sizes["small"]["limits"] == sizes["small"]["requests"] == {"memory": "1664Mi", "cpu": "550m"}
    (beside,) = pods["other"]["sidecars"]
    assert (beside["image"], beside["resources"]["limits"]) == ("registry.example/tool:2", {"memory": "64Mi"})
    assert beside["securityContext"] == pods["other"]["container"]["securityContext"]
    assert "envFrom" not in beside
    secrets = {name: [one for one in pod["container"]["env"] if "valueFrom" in one] for name, pod in pods.items()}
    selector = {"name": "git-writer", "key": "token", "optional": True}
    named = {"name": "SOMAGENT_SECRET_GIT_WRITER__TOKEN", "valueFrom": {"secretKeyRef": selector}}
    assert secrets == {"plain": [], "small": [named], "other": []}


def test_secrets_that_are_handed_in_go_to_the_steps_inside_that_are_granted_them_alone(tmp_path: Path) -> None:
    row = {
        "inputs": {"token": {"type": "secret", "grantTo": ["push"]}},
        "steps": {
            "push": {"script": {"run": "true", "env": {"TOKEN": "${{ inputs.token }}"}}},
            "beside": {"forEach": "${{ [1] }}", "script": {"run": "true"}},
        },
    }
    spec = {
        "uses": {
            "capsules": {"row": "./row.capsule.yaml"},
            "secrets": {name: {"secret": "git", "key": name, "grantTo": ["row"]} for name in ("read", "write")},
        },
        "inputs": {"admin": {"type": "secret", "grantTo": ["row"]}},
        "steps": {
            name: {"capsule": {"use": "row", "with": {"token": f"${{{{ {source}.{name} }}}}"}}}
            for name, source in (("read", "secrets"), ("write", "secrets"), ("admin", "inputs"))
        },
    }
    plan = compiled(Case(title="", spec=spec, files={"row.capsule.yaml": {"spec": row}}, expect={}), tmp_path).plan
    assert plan is not None
    emitted = workflow_template(plan, PLACE, handed=handed_in(plan, {"admin": "root/token"}))
    templates = {one["name"]: one for one in emitted["spec"]["templates"]}

    def secrets_of(name: str) -> set[str]:
        """Of all pods that a template comes to."""
        template = templates[name]
        env = template.get("container", {}).get("env", [])
        own = {one["name"].removeprefix("SOMAGENT_SECRET_") for one in env if "valueFrom" in one}
        return own.union(*(secrets_of(task["template"]) for task in _tasks(template)))

    whole = {task["name"]: secrets_of(task["template"]) for task in _tasks(templates["main"])}
    assert whole == {"read": {"GIT__READ"}, "write": {"GIT__WRITE"}, "admin": {"ROOT__TOKEN"}}
    inside = [one for name, one in templates.items() if name.startswith("capsule-row") and name.endswith("-main")]
    for task in (task for one in inside for task in _tasks(one)):
        assert len(secrets_of(task["template"])) == (task["name"] == "push")


def _end_of(steps: dict[str, object], folder: Path, **more: object) -> str | None:
    """On what condition the pod `End` comes; None: always."""
    plan = compiled(Case(title="", spec={"steps": steps, **more}, expect={}), folder).plan
    assert plan is not None
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}
    ends_run = [one["name"] for one in templates.values() if "--ends-run" in one.get("container", {}).get("args", [])]
    end = templates["at-the-end"]["steps"][-1][0]
    assert (end["name"], "when" in end) == ("End", bool(ends_run))
    return end.get("when")


def test_the_last_step_ends_the_run_only_where_argo_calls_the_whole_failed_when_a_step_is(tmp_path: Path) -> None:
    do = {"timeout": "30s", "script": {"run": "true"}}
    own = {"script": {"run": "true", "resources": {"memory": "64Mi"}}}  # a pod of its own
    not_well = "'{{workflow.status}}' != 'Succeeded'"
    assert _end_of({"a": do, "b": do, "c": {**do, "needs": ["b"]}}, tmp_path) == not_well
    assert _end_of({"a": own, "b": {**own, "needs": ["a"]}}, tmp_path) == not_well
    assert _end_of({"a": own}, tmp_path, **{"finally": {"z": do}}) is None
    shared = {"a": do, "b": {**do, "needs": ["a"]}, "c": {**do, "needs": ["a"]}, "d": {**own, "needs": ["b"]}}
    assert _end_of(shared, tmp_path) is None  # where c fails with a and b in its pod, d goes on
    lanes = [(f"a{n}", f"b{n}") for n in range(120)]
    wide = {a: {**own, "needs": ["root"]} for a, _ in lanes} | {b: {**own, "needs": [a]} for a, b in lanes}
    assert _end_of({"root": own, **wide}, tmp_path) is None  # nested DAGs that go on whatever became of those before


def test_nothing_of_finally_is_a_dag_which_argo_fails_when_a_workflow_was_stopped(tmp_path: Path) -> None:
    row = {
        "steps": {
            "work": {"script": {"run": "true", "resources": {"memory": "64Mi"}}},
            "each": {"needs": ["work"], "forEach": "${{ [1] }}", "script": {"run": "true"}},
        },
        "finally": {"last": {"capsule": {"use": "cell"}}},
        "uses": {"capsules": {"cell": "./cell.capsule.yaml"}},
    }
    cell = {"steps": {"agree": {"review": {"title": "Go on?"}}}}
    spec = {
        "uses": {"capsules": {"row": "./row.capsule.yaml"}},
        "steps": {"work": {"script": {"run": "true"}}},
        "finally": {
            "rows": {"forEach": "${{ [1, 2] }}", "maxParallel": 1, "capsule": {"use": "row"}},
            "all": {"forEach": "${{ [1, 2] }}", "script": {"run": "true"}},
        },
    }
    files = {"row.capsule.yaml": {"spec": row}, "cell.capsule.yaml": {"spec": cell}}
    plan = compiled(Case(title="", spec=spec, files=files, expect={}), tmp_path).plan
    assert plan is not None
    check(plan)
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}

    at_the_end = _begun_by(templates, {"at-the-end"})
    assert len(at_the_end) > 10
    assert [name for name in at_the_end if "dag" in templates[name]] == []


def test_what_finally_of_a_capsule_asks_for_is_there_too_when_the_run_is_stopped(tmp_path: Path) -> None:
    secret = {"uses": {"secrets": {"key": {"secret": "git", "key": "token", "grantTo": ["tidy"]}}}}
    inner = {
        **secret,
        "steps": {"work": {"script": {"run": "true", "resources": {"memory": "64Mi"}}}},
        "finally": {"tidy": {"script": {"run": "true", "image": "own:1", "env": {"KEY": "${{ secrets.key }}"}}}},
    }
    light = {"steps": inner["steps"], "finally": {"tell": {"script": {"run": "true"}}}}
    outer = {
        "uses": {"capsules": {"inner": "./inner.capsule.yaml"}},
        "steps": {"rows": {"forEach": "${{ [1, 2] }}", "capsule": {"use": "inner"}}},
        "finally": {"tell": {"script": {"run": "true", "resources": {"memory": "64Mi"}}}},
    }
    spec = {
        "uses": {"capsules": {name: f"./{name}.capsule.yaml" for name in ("outer", "light")}},
        "steps": {name: {"capsule": {"use": name}} for name in ("outer", "light")},
        "finally": {"last": {"script": {"run": "true"}}},
    }
    capsules = {"inner": inner, "light": light, "outer": outer}
    files = {f"{name}.capsule.yaml": {"spec": one} for name, one in capsules.items()}
    plan = compiled(Case(title="", spec=spec, files=files, expect={}), tmp_path).plan
    assert plan is not None
    check(plan)
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}
    (inmost,), (middle,), *own = templates["at-the-end"]["steps"]
    assert [step["name"] for (step,) in own] == ["last", "End"]
    assert [(one["name"], _given(one, "path"), one["when"]) for one in (inmost, middle)] == [
        ("Left-rows-Of-outer", ["outer/rows"], "'{{workflow.status}}' != 'Succeeded'"),
        ("Left-outer", ["outer"], "'{{workflow.status}}' != 'Succeeded'"),
    ]
    runs, each = (step for (step,) in templates[inmost["template"]]["steps"])
    assert templates[runs["template"]]["container"]["args"][-2:] == ["left", "{{inputs.parameters.path}}"]
    assert (each["withParam"], _given(each, "run")) == ("{{steps.runs.outputs.parameters.items}}", ["{{item}}"])
    ((tidy,),) = templates[each["template"]]["steps"]
    pod = templates[tidy["template"]]
    assert [one["image"] for one in pod["sidecars"]] == ["own:1"]
    assert [one["valueFrom"]["secretKeyRef"]["name"] for one in pod["container"]["env"] if "valueFrom" in one] == [
        "git"
    ]


def test_two_capsules_whose_paths_read_alike_are_two_at_the_end(tmp_path: Path) -> None:
    leaf = {
        "steps": {"work": {"script": {"run": "true"}}},
        "finally": {"tidy": {"script": {"run": "true", "image": "own:1"}}},
    }
    one, other = (
        {"uses": {"capsules": {"leaf": "./leaf.capsule.yaml"}}, "steps": {step: {"capsule": {"use": "leaf"}}}}
        for step in ("b", "c")
    )
    spec = {
        "uses": {"capsules": {name: f"./{name}.capsule.yaml" for name in ("leaf", "one", "other")}},
        "steps": {step: {"capsule": {"use": use}} for step, use in (("a", "one"), ("a_b", "leaf"), ("b", "other"))},
    }
    files = {f"{name}.capsule.yaml": {"spec": it} for name, it in (("leaf", leaf), ("one", one), ("other", other))}
    plan = compiled(Case(title="", spec=spec, files=files, expect={}), tmp_path).plan
    assert plan is not None
    check(plan)
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}
    names = [step["name"] for (step,) in templates["at-the-end"]["steps"]]
    assert len(set(names)) == len(names)
    assert {"Left-b-Of-a", "Left-a-b", "Left-c-Of-b"} <= {*names}


def test_inside_a_capsule_people_are_asked_for_budgets_around_it(tmp_path: Path) -> None:
    row = {"steps": {"work": {"script": {"run": "true", "resources": {"memory": "64Mi"}}}}}
    spec = {
        "uses": {"capsules": {"row": "./row.capsule.yaml"}},
        "budget": {"tokens": "10", "onExceed": "ask"},
        "steps": {"row": {"capsule": {"use": "row"}}},
    }
    plan = compiled(Case(title="", spec=spec, files={"row.capsule.yaml": {"spec": row}}, expect={}), tmp_path).plan
    assert plan is not None
    templates = {one["name"]: one for one in workflow_template(plan, PLACE)["spec"]["templates"]}
    (inside,) = [one for name, one in templates.items() if name.startswith("capsule-row") and name.endswith("-main")]
    assert [task["template"].endswith("-asking") for task in _tasks(inside)] == [True]


def test_no_step_has_what_runs_steps_and_no_two_secrets_have_one_variable(tmp_path: Path) -> None:
    def emitted(*secrets: str) -> None:
        names = [f"s{number}" for number in range(len(secrets))]
        uses = {n: {"secret": one, "key": "token", "grantTo": ["a"]} for n, one in zip(names, secrets, strict=True)}
        env = {name.upper(): f"${{{{ secrets.{name} }}}}" for name in names}
        spec = {"uses": {"secrets": uses}, "steps": {"a": {"script": {"run": "true", "env": env}}}}
        plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
        assert plan is not None
        workflow_template(plan, PLACE)

    emitted("git-x", "git-y")
    with pytest.raises(EngineError, match=r"`git-x/token` and `git\.x/token` of one step cannot be told apart"):
        emitted("git-x", "git.x")
    for own in ("somagent-runs", "somagent-executor.service-account-token"):
        with pytest.raises(EngineError, match="and for no step"):
            emitted(own)


def check(plan: Plan) -> None:
    """What must hold of every workflow; the limits are those of Argo's CRDs."""
    emitted = workflow_template(plan, PLACE)
    assert emitted == workflow_template(plan, PLACE)
    spec = emitted["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    assert len(templates) == len(spec["templates"]) <= 200
    assert {spec["entrypoint"], spec["onExit"]} <= templates.keys()
    named = set()
    for template in templates.values():
        tasks = _tasks(template)
        names = [task["name"] for task in tasks]
        assert len(names) == len(set(names)) <= 200
        for task in template.get("dag", {}).get("tasks", []):
            assert as_json(m.DAGTask(**task)) == task
        for task in tasks:
            assert re.fullmatch("[a-zA-Z][-a-zA-Z0-9]{0,62}", task["name"])
            given = {one["name"] for one in task.get("arguments", {}).get("parameters", [])}
            taken = {
                one["name"]: "default" in one
                for one in templates[task["template"]].get("inputs", {}).get("parameters", [])
            }
            assert given <= taken.keys()
            assert {name for name, has_default in taken.items() if not has_default} <= given
            assert set(re.findall(r"[a-zA-Z][-a-zA-Z0-9]*", re.sub(r"\.[A-Z]\w*", "", task.get("depends", "")))) <= set(
                names
            )
            named.add(task["template"])
    assert templates.keys() - named == {"main", spec["onExit"]}
    left = _begun_by(templates, {name for name in templates if name.endswith("-left")})
    tasks = [task for name, one in templates.items() if name not in left for task in _tasks(one)]
    steps = [step for task in tasks for step in _given(task, "step")]
    steps += [step for task in tasks for step in " ".join(_given(task, "steps")).split()]
    own = [one for digest, one in plan.capsules.items() if any(digest[7:15] in name for name in templates)]
    nodes = [node for one in (plan, *own) for node in (*one.nodes, *one.finals)]
    assert sorted(step for step in steps if "{{" not in step) == sorted(node.id for node in nodes)
    assert len(json.dumps(emitted)) < 40_000 + 250 * len(nodes)


def _tasks(template: dict[str, Any]) -> list[dict[str, Any]]:
    inside = [one for group in template.get("steps", []) for one in group]
    return [*template.get("dag", {}).get("tasks", []), *inside]


def _begun_by(templates: dict[str, Any], names: set[str]) -> set[str]:
    """These templates and all that they begin."""
    more = {task["template"] for name in names for task in _tasks(templates[name])} - names
    return _begun_by(templates, names | more) if more else names


def _given(task: dict[str, Any], name: str) -> list[str]:
    return [one["value"] for one in task.get("arguments", {}).get("parameters", []) if one["name"] == name]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield key
            yield from _texts(below)
    elif isinstance(value, Sequence):
        for below in value:
            yield from _texts(below)


@st.composite
def graphs(draw: Callable[..., Any]) -> list[Node]:
    count = draw(st.integers(1, 40))
    needs = [draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set() for number in range(count)]
    return [
        Node(
            id=f"s{number}",
            operator="script",
            timeout_ms=1,
            needs=[Edge(step=f"s{one}", kind="order") for one in sorted(needs[number])],
        )
        for number in range(count)
    ]


@given(graphs(), st.integers(1, 10))
def test_groups_hold_every_step_once_and_wait_for_earlier_groups_only(nodes: list[Node], most: int) -> None:
    groups = grouped(nodes, most)
    assert sorted(node.id for group in groups for node in group.nodes) == sorted(node.id for node in nodes)
    before: set[str] = set()
    for number, group in enumerate(groups):
        assert len(group.nodes) <= most or len(groups) == 1
        assert all(need < number for need in group.needs)
        home = {node.id: other for other, one in enumerate(groups) for node in one.nodes}
        for node in group.nodes:  # inside a group, too, in an order in which it can run
            assert {edge.step for edge in node.needs} <= before
            assert {home[edge.step] for edge in node.needs} <= group.needs | {number}
            before.add(node.id)


def test_chains_that_have_nothing_to_do_with_each_other_are_groups_side_by_side() -> None:
    nodes = [
        Node(
            id=f"{chain}{number}",
            operator="script",
            timeout_ms=1,
            needs=[Edge(step=f"{chain}{number - 1}", kind="order")] if number else [],
        )
        for number in range(150)
        for chain in "ab"
    ]
    assert [(len(group.nodes), group.needs) for group in grouped(nodes, 150)] == [
        (150, frozenset()),
        (150, frozenset()),
    ]
