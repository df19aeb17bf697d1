"""`somagent compile`: a capsule as the objects that another engine runs, for GitOps and for people to read."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from somagent.capsule_compiler.compile import Compilation
from somagent.capsule_compiler.plan import Plan
from somagent.cli.compiling import installed, planned
from somagent.cli.exits import UserError


def run(arguments: Namespace) -> int:
    """Prints the objects, or writes them to the file that `-o` names."""
    plan, compilation = planned(arguments, installed(locked=arguments.locked))
    text = _TARGETS[arguments.target](plan, compilation, arguments)
    if arguments.to is None:
        sys.stdout.write(text)
        return 0
    target = Path(arguments.to)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write `{target}`: {(error.strerror or str(error)).lower()}") from None
    return 0


def _argo(plan: Plan, compilation: Compilation, arguments: Namespace) -> str:
    image = arguments.image or os.environ.get("SOMAGENT_IMAGE")
    runs = arguments.runs or os.environ.get("SOMAGENT_RUNS")
    if not image or not runs:
        missing = "--image IMAGE, or $SOMAGENT_IMAGE," if not image else "--runs URL, or $SOMAGENT_RUNS,"
        what = "the image of the step runner" if not image else "the object store of runs, as pods reach it"
        raise UserError(f"{missing} says {what}")
    from somagent.workflows.engines.argo.compiled import compiled  # noqa: PLC0415  only this target needs them
    from somagent.workflows.engines.argo.emit.place import Place  # noqa: PLC0415

    place = Place(image=image, runs=runs, runs_secret=arguments.runs_secret, namespace=arguments.namespace)
    return compiled(plan, compilation.contents, place, name=arguments.name)


_TARGETS = {"argo": _argo}
