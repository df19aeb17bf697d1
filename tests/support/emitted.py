"""Objects for Argo of every capsule that there is: those of the library and those of the cases of conformance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from somagent.capsule_compiler.plan import Plan
from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_file, find_capsule, library, this_installation
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.stream import documents

PLACE = Place(image="registry.example/somagent:1", runs="s3://bucket/runs", runs_secret="somagent-runs")


class Emitted(NamedTuple):
    """A capsule, and what a cluster is given."""

    name: str
    plan: Plan
    objects: list[dict[str, Any]]

    @property
    def template(self) -> dict[str, Any]:
        return self.objects[-1]


def all_emitted(folder: Path) -> Iterator[Emitted]:
    """Each with a name of its own in the cluster."""
    for name in library():
        done = compile_file(find_capsule(name), this_installation(), default_constitution())
        assert done.plan is not None
        yield emitted(name, done.plan, done.contents)
    sys.path.append(str(Path(__file__).parents[1]))  # the cases lie beside the tests that run them
    from conformance import cases

    for case in cases.all_cases():
        place = folder / case.name.replace("/", "-")
        place.mkdir()
        done = cases.compiled(case, place)
        yield emitted(case.name.replace("/", "-").replace(".", "-"), done.plan, done.contents)


def emitted(name: str, plan: Plan, files: Any) -> Emitted:
    return Emitted(name, plan, list(documents(plan, files, PLACE, name=name)))
