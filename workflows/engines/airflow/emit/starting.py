"""How a task starts the step runner, which is all that differs between DAG files: by a process, or by a pod."""

from __future__ import annotations

from typing import NamedTuple

from somagent.workflows.engines.airflow.emit.place import Place
from somagent.workflows.engines.airflow.emit.pods import pod_of

_OF_PROCESSES = ("hashlib", "json", "os", "re", "subprocess", "tempfile")
_LEFT_OUT = '("AIRFLOW", "_AIRFLOW", "PYTHON", "VIRTUAL_ENV")'
_PROVIDER = "apache-airflow-providers-cncf-kubernetes"
_OF_PODS = ("hashlib", "importlib.metadata", "json", "re")


class Starting(NamedTuple):
    """Parts of the DAG file."""

    standard: str  # what it imports of Python's own
    settings: str
    at_work: str  # the attribute that has what was started
    template: str  # of the methods


def starting(place: Place) -> Starting:
    """The parts for that place."""
    if place.pods is None:
        return Starting(
            _imports(*_OF_PROCESSES) + "from datetime import timedelta\nfrom pathlib import Path",
            "\n".join(
                [
                    f"STEP_RUNNER = {list(place.step_runner)!a}",
                    f"RUNS = {place.runs!a}",
                    f"LEAVE_OUT = {_LEFT_OUT}  # Airflow's own secrets and paths are none of a step's",
                    "GRACE_S = 15  # the step runner ends what it has started",
                ]
            ),
            "process",
            "process.txt",
        )
    return Starting(
        _imports(*_OF_PODS) + "from datetime import timedelta",
        "\n".join(
            [
                f"NAMESPACE = {place.pods.namespace or None!a}",
                f"POD = {pod_of(place.pods, place.runs)!a}",
                "START_S = 600  # until a pod is at work: a place for it, and its image",
                "GRACE_S = 15  # the step runner ends what it has started",
                f'importlib.metadata.version("{_PROVIDER}")  # tasks need it beside Airflow',
            ]
        ),
        "pod",
        "pod.txt",
    )


def _imports(*names: str) -> str:
    return "".join(f"import {name}\n" for name in names)
