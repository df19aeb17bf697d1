"""`somagent compile`: a capsule as the objects that another engine runs, for GitOps and for people to read."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed, planned
from somagent.cli.engines import airflow_environment, check_in_pods, check_pods_reach, given, runs_address
from somagent.cli.exits import UserError

_NEAR = 0.8  # of a limit
_NOT_FOR = {"argo": ("step_runner", "pool"), "airflow": ("name", "sizes", "no_fuse")}


def run(arguments: Namespace) -> int:
    """Prints the objects, or writes them to where `-o` says."""
    for option in given(arguments, _NOT_FOR[arguments.target]):
        other = "argo" if arguments.target == "airflow" else "airflow"
        raise UserError(f"{option} is for `--target {other}`, not for `{arguments.target}`; leave it out")
    plan, compilation = planned(arguments, installed(locked=arguments.locked))
    if arguments.target == "airflow":
        return _airflow(plan, arguments)
    return _argo(plan, compilation, arguments)


def _argo(plan: Plan, compilation: Compilation, arguments: Namespace) -> int:
    """One stream; how near it is to a limit of Argo's is said when it is asked for, or when it is near."""
    image = arguments.image or os.environ.get("SOMAGENT_IMAGE")
    if not image:
        raise UserError("--image IMAGE, or $SOMAGENT_IMAGE, says the image of the step runner")
    runs = runs_address(arguments, "the object store of runs, as pods reach it")
    check_pods_reach(runs, arguments)
    from somagent.workflows.engines.argo.compiled import compiled  # noqa: PLC0415  only this target needs them
    from somagent.workflows.engines.argo.emit.place import Place  # noqa: PLC0415

    place = Place(
        image=image,
        runs=runs,
        runs_secret=arguments.runs_secret or os.environ.get("SOMAGENT_RUNS_SECRET", ""),
        namespace=arguments.namespace or os.environ.get("SOMAGENT_NAMESPACE") or "default",
        fuse=not arguments.no_fuse,
    )
    done = compiled(plan, compilation.contents, place, name=arguments.name or "")
    for size in done.sizes:
        way_out = "; Argo needs `nodeStatusOffLoad` for it" if size.share > 1 else ""
        if arguments.sizes or size.share > _NEAR:
            sys.stderr.write(f"{'warning: ' if size.share > _NEAR else ''}{size}{way_out}\n")
    if arguments.to is None:
        sys.stdout.write(done.text)
        return 0
    target = Path(arguments.to)
    try:
        target.write_text(done.text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{target}`: {(error.strerror or str(error)).lower()}") from None
    return 0


def _airflow(plan: Plan, arguments: Namespace) -> int:
    """A DAG file and its plan, each in a file of its own: without a folder for them the first is shown."""
    from somagent.workflows.engines.airflow.deploying import write  # noqa: PLC0415  only this target needs them
    from somagent.workflows.engines.airflow.emit.dag import dag_file  # noqa: PLC0415
    from somagent.workflows.engines.airflow.settings import place_of  # noqa: PLC0415

    if arguments.image and arguments.step_runner:
        raise UserError(
            "--image has steps run in pods, and --step-runner as processes of Airflow's workers; name one of them"
        )
    check_in_pods(arguments)
    environment = airflow_environment(arguments)
    runs = runs_address(arguments, "the object store of runs, as workers reach it")
    place = place_of(runs, environment)
    if place.pods is not None:
        check_pods_reach(runs, arguments)
    emitted = dag_file(plan, place)
    if arguments.to is None:
        sys.stdout.write(emitted.dag)
        return 0
    folder = Path(arguments.to)
    write(emitted, folder)
    print(folder / f"{emitted.dag_id}.py")
    return 0
