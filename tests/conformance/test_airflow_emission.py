"""Capsules of cases as DAG files: whole, the same every time, and without a word of their authors where Airflow reads.

Whether Airflow takes them is asked of Airflow (`make test-airflow`); this is what can be said without one.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from somagent.capsule_compiler.diagnostics import render_all
from somagent.capsule_compiler.plan import Plan, decode_plan, encode_plan
from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_file, find_capsule, library, this_installation
from somagent.workflows.engines.airflow.emit.dag import dag_file
from somagent.workflows.engines.airflow.emit.place import Place, Pods
from somagent.workflows.engines.granted import handed_in
from somagent.workflows.engines.protocol import EngineError

from .cases import Case, all_cases, compiled

PLACE = Place(runs="file:///srv/runs", step_runner=("/opt/somagent/bin/somagent-step",))
IN_PODS = Place(runs="s3://bucket/runs", pods=Pods(image="registry.example/somagent-step:1", runs_secret="store"))
SHOWN = [case for case in all_cases() if case.feature in {"order", "gate-approve", "collect", "finally", "retry"}]


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: case.name)
def test_cases_of_every_graph_are_whole_dag_files(case: Case, tmp_path: Path) -> None:
    plan = compiled(case, tmp_path).plan
    assert plan is not None
    check(plan)


@pytest.mark.parametrize("name", library())
def test_every_library_capsule_is_a_whole_dag_file(name: str) -> None:
    plan = compile_file(find_capsule(name), this_installation(), default_constitution()).plan
    assert plan is not None
    check(plan)


def test_no_text_of_a_capsule_is_more_than_text(tmp_path: Path) -> None:
    hostile = "\"\"\"'''\\ {{ 1/0 }} @POOL@ @STEPS@ \N{SNOWMAN} \U0001f600"
    spec = {
        "description": hostile,
        "steps": {
            "a": {"script": {"run": f"echo '{hostile}'", "env": {"A": hostile}}},
            "ask": {"review": {"title": hostile, "reviewers": {"users": ["bo"]}}},
        },
        "finally": {"tell": {"script": {"run": hostile}}},
    }
    plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
    assert plan is not None
    check(plan)
    given = {word.arg: ast.literal_eval(word.value) for word in _dag_call(plan).keywords if word.arg == "description"}
    assert given == {"description": hostile}


def test_a_file_for_another_place_or_of_another_plan_has_another_name(tmp_path: Path) -> None:
    spec = {"steps": {"a": {"operator": {"name": "probe"}}}}
    plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
    other = compiled(Case(title="", spec={**spec, "description": "another"}, expect={}), tmp_path).plan
    assert plan is not None
    assert other is not None
    elsewhere = Place(runs="file:///srv/runs", pool="agents")
    names = {dag_file(*one).dag_id for one in ((plan, PLACE), (plan, elsewhere), (other, PLACE), (plan, PLACE))}
    assert len(names) == 3
    assert all(re.fullmatch("case-[0-9a-f]{12}", name) for name in names)


STEPS = """\
spec:
  uses: { secrets: { token: { secret: git-writer, key: token, grantTo: [push, part] } } }
  inputs: { key: { type: secret, grantTo: [given] } }
  steps:
    plain: { script: { run: "true" } }
    push: { script: { run: "true", env: { TOKEN: "${{ secrets.token }}" }, resources: { memory: 64Mi } } }
    given: { script: { run: "true", env: { KEY: "${{ inputs.key }}" } } }
    inside: { capsule: { use: part, with: { key: "${{ secrets.token }}" } } }
"""


def test_pods_have_the_secrets_and_the_memory_of_their_steps_and_nothing_else(tmp_path: Path) -> None:
    inner = """\
spec:
  inputs: { key: { type: secret, grantTo: [big] } }
  steps:
    big: { script: { run: "true", env: { KEY: "${{ inputs.key }}" }, resources: { memory: 128Mi, cpu: 500m } } }
"""
    head = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: NAME }\n"
    (tmp_path / "part.capsule.yaml").write_text(head.replace("NAME", "part") + inner)
    outer = tmp_path / "outer.capsule.yaml"
    text = STEPS.replace("uses: { ", "uses: { capsules: { part: ./part.capsule.yaml }, ")
    outer.write_text(head.replace("NAME", "outer") + text)
    done = compile_file(outer, this_installation(), default_constitution())
    assert done.plan is not None, render_all(done.source, done.diagnostics)
    dag = dag_file(done.plan, IN_PODS, handed_in(done.plan, {"key": "other/deploy"})).dag
    rows = {row["id"]: row for row in _constant(ast.parse(dag), "STEPS")}
    secrets = {name: [one["name"] for one in row.get("secrets", [])] for name, row in rows.items()}
    assert secrets == {
        "plain": [],
        "push": ["SOMAGENT_SECRET_GIT_WRITER__TOKEN"],
        "given": ["SOMAGENT_SECRET_OTHER__DEPLOY"],
        "inside": ["SOMAGENT_SECRET_GIT_WRITER__TOKEN"],
    }
    assert {name: row.get("resources") for name, row in rows.items()} == {
        "plain": None,
        "push": {"requests": {"memory": "192Mi", "cpu": "50m"}, "limits": {"memory": "192Mi"}},
        "given": None,
        "inside": {"requests": {"memory": "256Mi", "cpu": "550m"}},
    }
    with pytest.raises(EngineError, match=r"secret `store/deploy` is what pods reach the store or the cluster by"):
        dag_file(done.plan, IN_PODS, handed_in(done.plan, {"key": "store/deploy"}))


def test_a_script_with_an_image_of_its_own_is_refused_for_pods_only(tmp_path: Path) -> None:
    spec = {"steps": {"a": {"script": {"run": "true", "image": "python:3.12"}}}}
    plan = compiled(Case(title="", spec=spec, expect={}), tmp_path).plan
    assert plan is not None
    dag_file(plan, PLACE)
    with pytest.raises(EngineError, match=r":\d+: step `a` runs in an image of its own, `python:3.12`, and pods that"):
        dag_file(plan, IN_PODS)


def check(plan: Plan) -> None:
    """What must hold of every DAG file, however its tasks start the step runner."""
    check_file(plan, PLACE)
    if b'"image":' not in encode_plan(plan):
        check_file(plan, IN_PODS)


def check_file(plan: Plan, place: Place) -> None:
    emitted = dag_file(plan, place)
    assert emitted == dag_file(plan, place)
    assert decode_plan(emitted.plan) == plan
    assert list(emitted.files) == [f"{emitted.dag_id}.plan.json", f"{emitted.dag_id}.py"]
    assert emitted.dag.isascii()
    tree = ast.parse(emitted.dag)
    imported = {name.name for one in ast.walk(tree) if isinstance(one, ast.Import) for name in one.names}
    imported |= {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert roots - sys.stdlib_module_names == {"airflow"}
    assert _constant(tree, "DAG_ID") == emitted.dag_id
    rows = _constant(tree, "STEPS")
    assert [row["id"] for row in rows] == [node.id for node in plan.nodes]
    assert [row["id"] for row in _constant(tree, "FINALLY")] == [node.id for node in plan.finals]
    before: set[str] = set()
    for row in rows:
        assert set(row.get("needs", [])) <= before
        before.add(row["id"])
    assert len(emitted.dag) < 13_000 + 250 * len(plan.nodes)


def _constant(tree: ast.Module, name: str) -> Any:
    for one in tree.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id == name:
            return ast.literal_eval(one.value)
    raise AssertionError(f"no {name}")


def _dag_call(plan: Plan) -> ast.Call:
    found = [one for one in ast.walk(ast.parse(dag_file(plan, PLACE).dag)) if isinstance(one, ast.Call)]
    return next(one for one in found if isinstance(one.func, ast.Name) and one.func.id == "DAG")
