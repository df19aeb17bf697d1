"""The files and folders that a run made, by the names that people give them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from somagent.governance.documents import nearest
from somagent.operators.runner.artifacts import artifacts_in
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import NO_ITEM, Artifact
from somagent.workflows.engines.protocol import EngineError, RunView


def artifacts_of(view: RunView) -> dict[str, Artifact]:
    """First those of the run's outputs, `NAME`; then those of steps as they stand in the plan.

    `STEP.NAME`, `STEP/ITEM.NAME`, and inside a capsule `scan/build.NAME`; the place in a list or object is a part of
    the name: `sites.0`.
    """
    return {**dict(artifacts_in(view.plan, view.outputs)), **dict(_of_steps(view, ""))}


def find_artifact(found: Mapping[str, Artifact], name: str, run_id: str) -> Artifact:
    """The one of that name; raises `EngineError` that says which there are."""
    if name not in found:
        near = nearest(name, found)
        way_on = f"did you mean `{near}`?" if near else f"there are: {', '.join(found) or 'none'}"
        raise EngineError(f"{run_id} has no artifact `{name}`; {way_on}")
    return found[name]


def own_copy(contents: Contents, artifact: Artifact, folder: Path) -> Path:
    """A copy in `folder` that may be changed; it appears whole or not at all. Raises as `Engine.fetch` says."""
    target = folder / artifact.name
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".somagent-", dir=folder) as arriving:
        path = contents.materialise(artifact, Path(arriving))
        for below, _, files in os.walk(path):
            for one in (Path(below), *(Path(below, name) for name in files)):
                _make_writable(one)
        _make_writable(path)
        path.rename(target)
    return target


def _make_writable(path: Path) -> None:
    if not path.is_symlink():
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _of_steps(view: RunView, above: str) -> Iterator[tuple[str, Artifact]]:
    for step in view.steps:
        for one in (step, *step.items):
            name = f"{above}{step.id}" if one.item == NO_ITEM else f"{above}{step.id}/{one.item}"
            for place, artifact in artifacts_in(view.plan, one.outputs, step.id):
                yield f"{name}.{place}", artifact
            if one.inner is not None:
                yield from _of_steps(one.inner, f"{name}/")
