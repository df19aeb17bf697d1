"""`somagent artifacts`: the files and folders that a run made, listed, and one of them copied to where it is wanted."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from somagent.cli.exits import UserError
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import open_engine
from somagent.operators.runner.records import Artifact
from somagent.workflows.engines.artifacts import find_artifact
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.run_names import find_run


def run(arguments: Namespace) -> int:
    """Lists the artifacts of a run, or writes one into a folder and prints its path."""
    engine = open_engine(arguments)
    run_id = find_run(engine, arguments.run)
    found = engine.artifacts(run_id)
    if arguments.name is None:
        _list(found, arguments.output)
        return 0
    artifact = find_artifact(found, arguments.name, run_id)
    path = _copy(engine, artifact, Path(arguments.to))
    if arguments.output == "json":
        print_json({"name": arguments.name, "path": str(path)})
    else:
        print(visible(str(path)))
    return 0


def _list(found: Mapping[str, Artifact], output: str) -> None:
    if output == "json":
        print_json(
            [
                {"name": name, "kind": one.kind, "file": one.name, "size": one.size, "digest": one.artifact}
                for name, one in found.items()
            ]
        )
        return
    width = max((len(name) for name in found), default=0)
    sizes = {name: f"{one.size:,} bytes" for name, one in found.items()}
    size = max(map(len, sizes.values()), default=0)
    for name, one in found.items():
        line = f"{name:<{width}}  {one.kind:<6}  {sizes[name]:>{size}}  {one.artifact[:19]}  {one.name}"
        print(visible(line))
    if not found:
        print("the run has made no artifacts")


def _copy(engine: OpenEngine, artifact: Artifact, folder: Path) -> Path:
    try:
        return engine.fetch(artifact, folder)
    except FileExistsError as error:
        raise UserError(f"`{error.filename}` is there already; `--to FOLDER` names another folder") from None
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
