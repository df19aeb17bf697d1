"""What the cases of a capsule have seen of it: each step begun, and each way that it can go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan
from somagent.workflows.engines.protocol import RunView, StepView


class StepCoverage(Struct, frozen=True):
    """A step, its ways by name, and whether each was seen."""

    id: str
    ways: dict[str, bool]


class Coverage(Struct, frozen=True):
    """Of one capsule."""

    steps: tuple[StepCoverage, ...]

    @property
    def total(self) -> int:
        """All ways."""
        return sum(len(step.ways) for step in self.steps)

    @property
    def seen(self) -> int:
        """Those that a case took."""
        return sum(sum(step.ways.values()) for step in self.steps)

    @property
    def percent(self) -> float:
        """Of all ways, 100 when there is none."""
        return 100 * self.seen / self.total if self.total else 100.0


def coverage_of(plan: Plan, views: Iterable[RunView]) -> Coverage:
    """What these runs of the plan have seen."""
    views = list(views)
    finals = {node.id for node in plan.finals}
    found = []
    for node in (*plan.nodes, *plan.finals):
        seen: set[str] = set()
        for view in views:
            for step in view.steps:
                if step.id == node.id:
                    seen.update(_seen(step, view, final=node.id in finals))
        ways = dict.fromkeys(_ways(node, final=node.id in finals), False)
        found.append(StepCoverage(node.id, {way: way in seen for way in ways}))
    return Coverage(tuple(found))


def _ways(node: Node, *, final: bool) -> Iterator[str]:
    yield "begun"
    if node.guard:
        yield from ("if true", "if false")
    if node.require:
        yield from ("require true", "require false")
    if node.gate:
        yield from ("opened", "denied")
    if node.fan_out is not None and node.fan_out.on_failure == "collect":
        yield "item failed"
    if node.retry.attempts > 1:
        yield "tried again"
    if final:
        yield "after a failure"


def _seen(step: StepView, view: RunView, *, final: bool) -> Iterator[str]:
    if step.phase == "Skipped":
        yield "if false"
        return
    stopped = _stopped_by_requirement(step)
    if step.attempts or step.phase == "Succeeded":
        yield "begun"
        yield "if true"
        yield "require false" if stopped else "require true"
        if final and view.phase == "Failed":
            yield "after a failure"
    if step.phase == "Succeeded":
        yield "opened"
    if step.failure is not None and step.failure.failure_class == "denied":
        yield "denied"
    if any(item.phase == "Failed" for item in step.items):
        yield "item failed"
    if step.attempts > 1 and any(len(one.history) > 1 for one in (step, *step.items)):
        yield "tried again"


def _stopped_by_requirement(step: StepView) -> bool:
    why = step.failure.message if step.failure is not None and step.phase == "Failed" else ""
    return why.startswith("required, but false")
