"""Which Airflow, and who asks there: settings of the environment, named in messages as people set them."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from somagent.workflows.engines.airflow.emit.place import Place, Pods
from somagent.workflows.engines.protocol import EngineError

URL, USER, PASSWORD, TOKEN = (f"SOMAGENT_AIRFLOW_{name}" for name in ("URL", "USER", "PASSWORD", "TOKEN"))
DAGS, POOL, STEP_RUNNER = "SOMAGENT_AIRFLOW_DAGS", "SOMAGENT_AIRFLOW_POOL", "SOMAGENT_STEP"
IMAGE, RUNS_SECRET, NAMESPACE = "SOMAGENT_IMAGE", "SOMAGENT_RUNS_SECRET", "SOMAGENT_NAMESPACE"


class Settings(Struct, frozen=True, kw_only=True):
    """An Airflow as this process reaches it."""

    url: str  # of its API server, without /api/v2
    user: str = ""
    password: str = ""
    token: str = ""  # instead of both
    dags: Path  # the folder of its DAG files, or one below it
    place: Place


def settings_of(runs: str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises `EngineError` that names what is not set."""
    missing = [name for name in (URL, DAGS) if not environment.get(name)]
    if not environment.get(TOKEN):
        missing += [name for name in (USER, PASSWORD) if not environment.get(name)]
    if missing:
        raise EngineError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set; {_MEANING}")
    return Settings(
        url=environment[URL].rstrip("/"),
        user=environment.get(USER, ""),
        password=environment.get(PASSWORD, ""),
        token=environment.get(TOKEN, ""),
        dags=Path(environment[DAGS]).absolute(),
        place=place_of(runs, environment),
    )


def place_of(runs: str, environment: Mapping[str, str] = os.environ) -> Place:
    """How tasks reach the step runner: by an image or a command, else that of this installation.

    Raises `EngineError` when both are said.
    """
    said, image, pool = environment.get(STEP_RUNNER), environment.get(IMAGE), environment.get(POOL) or "default_pool"
    if said and image:
        raise EngineError(
            f"{IMAGE} has steps run in pods, and {STEP_RUNNER} as processes of Airflow's workers; unset one of them"
        )
    if image:
        secret, namespace = environment.get(RUNS_SECRET, ""), environment.get(NAMESPACE, "")
        return Place(runs=runs, pods=Pods(image=image, runs_secret=secret, namespace=namespace), pool=pool)
    command = tuple(shlex.split(said)) if said else (str(Path(sys.executable).with_name("somagent-step")),)
    return Place(runs=runs, step_runner=command, pool=pool)


_MEANING = (
    f"{URL} is the address of Airflow's API server, {USER} and {PASSWORD} (or {TOKEN}) are an account there, and"
    f" {DAGS} is the folder of its DAG files"
)
