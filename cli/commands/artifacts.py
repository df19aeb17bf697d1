"""`somagent artifacts`: the files and folders that a run made, listed, and one of them copied to where it is wanted."""

from __future__ import annotations

import os
import stat
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from somagent.cli.exits import UserError
from somagent.cli.inside import steps_of
from somagent.cli.printing import print_json, visible
from somagent.cli.runs import contents_of, find_run, open_engine
from somagent.governance.documents import nearest
from somagent.operators.runner.artifacts import artifacts_in
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Artifact
from somagent.workflows.engines.protocol import RunView


def run(arguments: Namespace) -> int:
    """Lists the artifacts of a run, or writes one into a folder and prints its path."""
    engine = open_engine(arguments)
    view = engine.view(find_run(engine, arguments.run))
    found = dict(_artifacts(view))
    if arguments.name is None:
        _list(found, arguments.output)
        return 0
    if arguments.name not in found:
        near = nearest(arguments.name, found)
        way_on = f"did you mean `{near}`?" if near else f"there are: {', '.join(found) or 'none'}"
        raise UserError(f"{view.run.id} has no artifact `{arguments.name}`; {way_on}")
    path = _copy(contents_of(arguments), found[arguments.name], Path(arguments.to))
    if arguments.output == "json":
        print_json({"name": arguments.name, "path": str(path)})
    else:
        print(visible(str(path)))
    return 0


def _artifacts(view: RunView) -> Iterator[tuple[str, Artifact]]:
    """By name: `NAME` of the run's outputs, `STEP.NAME` of a step's, `STEP/ITEM.NAME`, `scan/build.NAME`."""
    yield from artifacts_in(view.plan, view.outputs)
    for name, within, step in steps_of(view):
        for place, artifact in artifacts_in(within.plan, step.outputs, step.id):
            yield f"{name}.{place}", artifact


def _list(found: dict[str, Artifact], output: str) -> None:
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


def _copy(contents: Contents, artifact: Artifact, folder: Path) -> Path:
    """A copy of the user's own, which may be changed; it appears whole or not at all. Raises `UserError`."""
    target = folder / artifact.name
    if target.exists():
        raise UserError(f"`{target}` is there already; `--to FOLDER` names another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".somagent-", dir=folder) as arriving:
            path = contents.materialise(artifact, Path(arriving))
            for below, _, files in os.walk(path):
                for one in (Path(below), *(Path(below, name) for name in files)):
                    _make_writable(one)
            _make_writable(path)
            path.rename(target)
    except OSError as error:
        raise UserError(f"cannot write `{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    return target


def _make_writable(path: Path) -> None:
    if not path.is_symlink():
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
