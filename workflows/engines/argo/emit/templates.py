"""The templates of one workflow, each made once however many steps use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hera.workflows import models as m

from somagent.workflows.engines.argo.emit.passing import as_json
from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.pods import Shape, pod


class Templates:
    """By their names."""

    def __init__(self, place: Place) -> None:
        self._place, self.fuse = place, place.fuse
        self.ends_run = False  # whether the last step of the run ends it
        self.begins = False  # whether the Workflow begins the run itself
        self._made: dict[str, m.Template] = {}
        self._tasks: dict[str, list[dict[str, Any]]] = {}

    def all(self) -> list[dict[str, Any]]:
        """As JSON, in the order of their names."""
        found = []
        for name in sorted(self._made):
            one = as_json(self._made[name])
            if name in self._tasks:
                one["dag"]["tasks"] = self._tasks[name]
            found.append(one)
        return found

    def dag(self, name: str, tasks: Sequence[dict[str, Any]], given: m.Inputs | None) -> str:
        """A DAG whose tasks, of which there may be thousands, are JSON already; a failed one stops only what needs it.

        The name of the template.
        """
        self._tasks[name] = list(tasks)
        return self.add(m.Template(name=name, inputs=given, dag=m.DAGTemplate(fail_fast=False, tasks=[])))

    def has(self, name: str) -> bool:
        """Whether there is one of this name."""
        return name in self._made

    def add(self, template: m.Template) -> str:
        """The template's name."""
        name = template.name or ""
        self._made.setdefault(name, template)
        return name

    def pod(self, shape: Shape) -> str:
        """The name of the template of such pods."""
        if shape.name not in self._made:
            self.add(pod(shape, self._place, ends_run=self.ends_run, begins=self.begins))
        return shape.name
