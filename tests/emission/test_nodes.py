"""What is read from the nodes of a Workflow; these are as Argo 4.0.7 wrote them, without what is not looked at."""

from __future__ import annotations

from typing import Any

from somagent.workflows.engines.argo.nodes import look_at

_A = {"parameters": [{"name": "step", "value": "a"}]}
_UNREACHABLE = "main: Error (exit code 74): s3://runs has not answered for 60 s"


def _workflow(*pods: dict[str, Any], retry: str = "Running", inputs: Any = _A) -> dict[str, Any]:
    names = [f"r-1-{number}" for number in range(len(pods))]
    nodes = {name: {"id": name, "type": "Pod", **pod} for name, pod in zip(names, pods, strict=True)}
    tried = {"id": "r-1-r", "type": "Retry", "displayName": "a", "phase": retry, "children": names, "inputs": inputs}
    return {"metadata": {"name": "r-1"}, "status": {"phase": "Running", "nodes": {"r-1-r": tried, **nodes}}}


def _failed(exit_code: str, message: str) -> dict[str, Any]:
    return {"phase": "Failed", "outputs": {"exitCode": exit_code}, "message": message}


def test_a_pod_that_was_lost_is_a_trouble_until_another_one_follows() -> None:
    gone = {"phase": "Error", "message": "pod deleted"}
    assert look_at(_workflow(gone)).troubles == {"a": "pod deleted"}
    assert look_at(_workflow(_failed("74", _UNREACHABLE))).troubles == {"a": _UNREACHABLE}
    not_begun = "main: StartError (exit code 128): failed to create containerd task"
    assert look_at(_workflow(_failed("128", not_begun))).troubles == {"a": not_begun}
    assert look_at(_workflow(gone, {"phase": "Running"})).troubles == {}
    assert look_at(_workflow(gone, retry="Failed")).troubles == {}


def test_several_steps_in_one_pod_are_called_by_their_node() -> None:
    steps = {"parameters": [{"name": "steps", "value": "a b"}]}
    assert look_at(_workflow(_failed("74", _UNREACHABLE), inputs=steps)).troubles == {"a": _UNREACHABLE}


def test_an_attempt_that_failed_by_itself_is_told_by_the_ledger_and_is_no_trouble() -> None:
    assert look_at(_workflow(_failed("75", "main: Error (exit code 75): try again"))).troubles == {}


def test_an_image_of_another_version_is_named_also_when_all_is_over() -> None:
    workflow = _workflow(_failed("2", "main: Error (exit code 2)"), retry="Failed")
    told = {"a": "main: Error (exit code 2); is the image of this version of somagent?"}
    assert look_at(workflow).troubles == told
    workflow["status"]["phase"] = "Failed"
    assert (look_at(workflow).over, look_at(workflow).troubles) == (True, told)


def test_a_stopped_workflow_that_asks_people_at_its_end_only_waits_for_them() -> None:
    workflow = _workflow(_failed("72", "main: Error (exit code 72): the run was stopped"))
    workflow["status"]["nodes"]["r-1-p"] = {"id": "r-1-p", "type": "Suspend", "phase": "Running"}
    assert not look_at(workflow).parked  # another pod of the step may follow
    workflow["spec"] = {"shutdown": "Stop"}
    assert look_at(workflow).parked
