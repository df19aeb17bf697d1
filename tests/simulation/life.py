"""What the judge gets of one life: the plan, the world with its log, what was in the file, and the final view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plans import GOOD, Drawn
from world import Entry, World

from somagent.workflows.engines.protocol import RunView


@dataclass
class Life:
    """One run in its world."""

    seed: int
    drawn: Drawn
    world: World
    run: str = ""
    view: RunView | None = None
    error: str = ""
    cancelled_us: int = 0  # when somebody asked for it
    rows: list[tuple[int, frozenset[Any]]] = field(default_factory=list)  # results in the file after each process
    before: Life | None = None  # the run that this one is a retry of
    first: int = 0  # where in the world's log it begins
    last: int | None = None

    @property
    def entries(self) -> list[Entry]:
        """Its part of the world's log."""
        return self.world.entries[self.first : self.last]

    @property
    def acts(self) -> list[Life]:
        """The runs that it goes back to, and itself."""
        return [*self.before.acts, self] if self.before is not None else [self]

    @property
    def kept(self) -> frozenset[str]:
        """The steps that a retry takes over."""
        steps = self.before.view.steps if self.before is not None and self.before.view is not None else []
        nodes = {node.id for node in self.drawn.plan.nodes}  # `finally` runs in every run
        return frozenset(step.id for step in steps if step.phase in GOOD and step.id in nodes)
