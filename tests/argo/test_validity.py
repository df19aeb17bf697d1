"""What is emitted is valid before there is a cluster: by Argo's CRDs held strictly, by its lint, by an API server."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emitted import Emitted
from strict_crds import StrictCrd

from somagent.workflows.engines.argo.emit.yaml_text import write_documents


@pytest.fixture(scope="session")
def crd(crds: Path) -> StrictCrd:
    return StrictCrd(crds, "workflowtemplates")


def test_every_capsule_is_what_the_definition_of_argo_allows(emitted: list[Emitted], crd: StrictCrd) -> None:
    assert {one.name: crd.mistakes(one.template) for one in emitted} == {one.name: [] for one in emitted}
    assert len(emitted) > 100


def _first_task(template: dict[str, Any]) -> dict[str, Any]:
    dag = next(one for one in template["spec"]["templates"] if one["name"] == "main")
    task: dict[str, Any] = dag["dag"]["tasks"][0]
    return task


def _pod(template: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = next(one for one in template["spec"]["templates"] if "container" in one)
    return pod


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "a field that is misspelt": lambda one: one["spec"].update(entryPoint="main"),
    "a field deep inside": lambda one: _pod(one)["container"].update(imagePullPolice="Always"),
    "a value of the wrong type": lambda one: _pod(one)["container"].update(args="step"),
    "too many tasks": lambda one: next(t for t in one["spec"]["templates"] if "dag" in t)["dag"].update(
        tasks=[{"name": f"t{number}", "template": "step"} for number in range(201)]
    ),
    "a template of two types": lambda one: _pod(one).update(suspend={}),
    "two ways to wait": lambda one: _first_task(one).update(depends="a", dependencies=["a"]),
    "a deadline that is no leaf's": lambda one: next(t for t in one["spec"]["templates"] if "dag" in t).update(
        activeDeadlineSeconds=5
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_noticed(what: str, emitted: list[Emitted], crd: StrictCrd) -> None:
    broken = copy.deepcopy(emitted[0].template)
    WRONG[what](broken)
    assert crd.mistakes(broken)


def _files(emitted: list[Emitted], folder: Path) -> Iterator[Path]:
    for one in emitted:
        path = folder / f"{one.name}.yaml"
        path.write_text(write_documents([one.template]), encoding="utf-8")
        yield path


def test_argo_lint_has_nothing_to_say(emitted: list[Emitted], argo: str, tmp_path: Path) -> None:
    paths = list(_files(emitted, tmp_path))
    command = [argo, "lint", "--offline", "--strict", "--no-color", "--output", "simple", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "no linting errors found!"), done.stdout[-4000:] + done.stderr
    broken = copy.deepcopy(emitted[0].template)
    _first_task(broken)["template"] = "nowhere"
    paths[0].write_text(write_documents([broken]), encoding="utf-8")
    assert subprocess.run(command, capture_output=True, timeout=600, check=False).returncode != 0


def test_an_api_server_takes_every_object_as_it_is(emitted: list[Emitted], kubectl: Callable[..., Any]) -> None:
    rights = [one for one in emitted[0].objects if one["kind"] not in {"ConfigMap", "WorkflowTemplate"}]
    plans = [one for capsule in emitted for one in capsule.objects if one["kind"] == "ConfigMap"]
    objects = [*rights, *plans, *(one.template for one in emitted)]
    for one in objects:
        one["metadata"].pop("namespace", None)  # that of this session
    done = kubectl(
        "create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-", text=write_documents(objects)
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(objects)
    assert json.loads(kubectl("version", "-o", "json").stdout)["serverVersion"]
