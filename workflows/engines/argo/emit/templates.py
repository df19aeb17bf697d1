"""The templates of one workflow, each made once however many steps use it."""

from __future__ import annotations

from hera.workflows import models as m

from somagent.workflows.engines.argo.emit.place import Place
from somagent.workflows.engines.argo.emit.pods import Shape, pod


class Templates:
    """By their names."""

    def __init__(self, place: Place) -> None:
        self._place, self.fuse = place, place.fuse
        self._made: dict[str, m.Template] = {}

    def all(self) -> list[m.Template]:
        """In the order of their names."""
        return [self._made[name] for name in sorted(self._made)]

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
            self.add(pod(shape, self._place))
        return shape.name
