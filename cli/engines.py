"""The engine that a command asks for: the one in this process, or one whose steps begin elsewhere."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from somagent.cli.exits import UserError
from somagent.cli.printing import visible
from somagent.cli.way_on import way_on
from somagent.operators.operator import Operator
from somagent.workflows import directories

if TYPE_CHECKING:
    from somagent.workflows.engines.objects.driver import Address, Driver
    from somagent.workflows.engines.objects.engine import ObjectEngine

LOCAL = "local"
ELSEWHERE = ("argo", "airflow")
_FOR_ELSEWHERE = ("runs", "namespace", "image", "runs_secret")  # options of commands that know all engines
_FOR_LOCAL = ("store", "parallel")
_FOR_PODS = ("namespace", "runs_secret")


def engine_named(arguments: Namespace) -> str:
    """The engine of a command; raises `UserError` for a name that is none, and for options of another one."""
    name = getattr(arguments, "on", None) or os.environ.get("SOMAGENT_ENGINE") or LOCAL
    if name not in {LOCAL, *ELSEWHERE}:
        raise UserError(f"$SOMAGENT_ENGINE names no engine: `{name}`; there are: {', '.join((LOCAL, *ELSEWHERE))}")
    if not hasattr(arguments, "on"):
        return LOCAL
    said = "say" if arguments.on else "add"
    for option in given(arguments, _FOR_ELSEWHERE if name == LOCAL else _FOR_LOCAL):
        others = " or ".join(f"`--engine {one}`" for one in (ELSEWHERE if name == LOCAL else (LOCAL,)))
        raise UserError(f"{option} is not for the engine `{name}`; leave it out, or {said} {others}")
    if name == "airflow":
        check_in_pods(arguments)
    return name


def given(arguments: Namespace, names: Iterable[str]) -> Iterator[str]:
    """Those of the options that the command was given, as they are written."""
    return (f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name, None) is not None)


def check_in_pods(arguments: Namespace) -> None:
    """Raises `UserError` for an option of pods where Airflow begins steps as processes."""
    option = next(given(arguments, _FOR_PODS), "")
    if option and not _in_pods(arguments):
        raise UserError(
            f"{option} is for pods, and without an image Airflow begins steps as processes of its workers; leave it"
            " out, or name the image of the step runner in pods: `--image IMAGE`"
        )


def open_elsewhere(arguments: Namespace, operators: Mapping[str, Operator]) -> ObjectEngine:
    """The engine on runs at the bucket that `--runs` names; without operators it can read, and not run."""
    from somagent.workflows.engines.objects.engine import ObjectEngine  # noqa: PLC0415

    name = engine_named(arguments)
    runs = runs_address(arguments, f"where runs of the engine `{name}` are kept")
    if operators and (name == "argo" or (name == "airflow" and _in_pods(arguments))):
        check_pods_reach(runs, arguments)

    def driver(address: Address) -> Driver:
        if address.engine == "airflow":
            return _airflow(arguments, runs, address.where)
        return _driver(arguments, address.engine, address.where.partition("/")[0], runs)

    namespace = getattr(arguments, "namespace", None) or os.environ.get("SOMAGENT_NAMESPACE", "")
    return ObjectEngine(
        runs,
        directories.data_directory(arguments.data_dir),
        operators,
        driver=_driver(arguments, name, namespace, runs) if operators else None,
        drivers=driver,
        way_on=lambda *words: way_on(arguments, *words),
        says=lambda text: sys.stderr.write(f"note: {visible(text)}\n"),
    )


def runs_address(arguments: Namespace, what: str) -> str:
    """The address that `--runs` or the environment gives; of a folder, one that means the same in other processes.

    Raises `UserError`; `what` is what the address says.
    """
    runs: str = arguments.runs or os.environ.get("SOMAGENT_RUNS", "")
    if not runs:
        raise UserError(f"--runs URL, or $SOMAGENT_RUNS, says {what}")
    parts = urlsplit(runs)
    if parts.scheme == "":
        return f"file://{quote(str(Path(runs).absolute()))}"
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise UserError(f"{_said(runs, arguments)} names no folder; write it from the root on: file:///srv/runs")
    return runs


def check_pods_reach(runs: str, arguments: Namespace) -> None:
    """Raises `UserError` for a folder: the pods of a cluster see none of this machine."""
    if urlsplit(runs).scheme == "file":
        raise UserError(
            f"{_said(runs, arguments)} is a folder of this machine, and pods reach none; name a bucket that pods and"
            " this command reach: s3://BUCKET/PREFIX, gs:// or az://; runs on Airflow may be in a folder, if its"
            " workers see the same one"
        )


def _said(runs: str, arguments: Namespace) -> str:
    """The address where people wrote it."""
    return (
        f"`--runs {arguments.runs}`"
        if arguments.runs
        else f"$SOMAGENT_RUNS, `{os.environ.get('SOMAGENT_RUNS', runs)}`,"
    )


def _driver(arguments: Namespace, engine: str, namespace: str, runs: str) -> Driver:
    if engine == "airflow":
        return _airflow(arguments, runs)
    if engine != "argo":
        raise UserError(f"the run is worked on by the engine `{engine}`, which is not known here")
    from somagent.workflows.engines.argo.cluster import Cluster  # noqa: PLC0415  0.7 s, for this engine only
    from somagent.workflows.engines.argo.driver import ArgoDriver  # noqa: PLC0415
    from somagent.workflows.engines.argo.emit.place import Place  # noqa: PLC0415

    image = getattr(arguments, "image", None) or os.environ.get("SOMAGENT_IMAGE", "")
    if not image and arguments.command in {"run", "retry", "rerun"}:
        raise UserError("--image IMAGE, or $SOMAGENT_IMAGE, says the image of the step runner")
    secret = getattr(arguments, "runs_secret", None) or os.environ.get("SOMAGENT_RUNS_SECRET", "")
    return ArgoDriver(Cluster(namespace), Place(image=image, runs=runs, runs_secret=secret))


def airflow_environment(arguments: Namespace) -> Mapping[str, str]:
    """The environment, with what options say instead; one that names an image or a command overrules the other."""
    from somagent.workflows.engines.airflow import settings  # noqa: PLC0415  for this engine only

    named = {
        settings.IMAGE: "image",
        settings.RUNS_SECRET: "runs_secret",
        settings.NAMESPACE: "namespace",
        settings.STEP_RUNNER: "step_runner",
        settings.POOL: "pool",
    }
    said = {variable: getattr(arguments, name, None) for variable, name in named.items()}
    ways = {settings.IMAGE, settings.STEP_RUNNER}
    overruled = ways if any(said[way] for way in ways) else set()
    kept = {name: text for name, text in os.environ.items() if name not in overruled}
    return kept | {variable: text for variable, text in said.items() if text}


def _in_pods(arguments: Namespace) -> bool:
    """Whether Airflow is to begin steps in pods."""
    from somagent.workflows.engines.airflow.settings import IMAGE  # noqa: PLC0415  for this engine only

    return bool(airflow_environment(arguments).get(IMAGE))


def _airflow(arguments: Namespace, runs: str, where: str = "") -> Driver:
    """The Airflow of the environment; `where` is the one that a run was given to."""
    from somagent.workflows.engines.airflow.driver import AirflowDriver  # noqa: PLC0415  for this engine only
    from somagent.workflows.engines.airflow.settings import URL, settings_of  # noqa: PLC0415

    settings = settings_of(runs, airflow_environment(arguments))
    if where and where != settings.url:
        raise UserError(f"the run is worked on by Airflow at {where}, and {URL} names {settings.url}")
    return AirflowDriver(settings, way_on=lambda *words: way_on(arguments, *words))
