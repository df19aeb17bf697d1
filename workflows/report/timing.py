"""What every step did with its time: waited for other steps, for a free place, for people, for another try, or ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct

from somagent.capsule_compiler.plan import Node
from somagent.operators.runner.records import Attempt, Decision
from somagent.workflows.engines.protocol import RunView, StepView

Kind = Literal["needs", "queue", "run", "people", "retry", "stopped"]

KINDS: dict[Kind, str] = {
    "run": "running",
    "needs": "waiting for another step",
    "queue": "ready, not started yet",
    "people": "waiting for people",
    "retry": "pause before another try",
    "stopped": "nobody at work on the run",
}


class Span(NamedTuple):
    """A stretch of time of one step; `attempt` says which try ran, `failed` that it failed."""

    kind: Kind
    start: datetime
    end: datetime
    attempt: int = 0
    failed: bool = False

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start


class Timing(Struct, frozen=True):
    """One step, or one item of a fan-out; spans in the order of time, without gaps but for rounding."""

    spans: tuple[Span, ...] = ()
    waited_for: str = ""  # of what it needs, the step that ended last or has not ended
    end: datetime | None = None
    items: tuple[Timing, ...] = ()

    def total(self, kind: Kind) -> timedelta:
        """How long it was in this state, all stretches together; of a fan-out, from the first item's to the last's."""
        if self.items and kind == "run":
            runs = [span for item in self.items for span in item.spans if span.kind == "run"]
            return max(s.end for s in runs) - min(s.start for s in runs) if runs else timedelta()
        return sum((span.length for span in self.spans if span.kind == kind), timedelta())


class Link(NamedTuple):
    """A step of the chain that set the run's length, and how much of it is this step's."""

    step: str
    share: timedelta
    queued: timedelta = timedelta()  # of that, how long it was ready and not started


class RunTimes(Struct, frozen=True):
    """The times of a run. Steps taken over from an earlier run took no time in this one."""

    start: datetime
    end: datetime
    steps: Mapping[str, Timing]
    taken_over: frozenset[str]
    chain: Sequence[Link]


def measure(view: RunView, now: datetime) -> RunTimes:
    """The times of all steps; `now` ends what is still going on."""
    start = view.started_at or view.run.created_at
    end = max(start, view.ended_at or (now if view.phase in {"Running", "Waiting"} else _last(view, start)))
    taken_over = frozenset(
        step.id for step in view.steps if step.ended_at is not None and step.ended_at < view.run.created_at
    )
    measured = _Measuring(view, start, end, taken_over)
    steps = {step.id: measured.step(step) for step in view.steps}
    return RunTimes(start, end, steps, taken_over, _chain(view, steps, start, taken_over))


class _Measuring:
    """What the times of one step depend on."""

    def __init__(self, view: RunView, start: datetime, end: datetime, taken_over: frozenset[str]) -> None:
        self.start, self.end, self.taken_over = start, end, taken_over
        self.ended = {step.id: step.ended_at for step in view.steps}
        self.needs = needs_of(view)
        self.decisions: dict[tuple[str, int], list[Decision]] = {}
        for decision in view.decisions:
            self.decisions.setdefault((decision.step, decision.item), []).append(decision)

    def step(self, step: StepView) -> Timing:
        if step.id in self.taken_over:
            return Timing(end=step.ended_at)
        needs = self.needs.get(step.id, ())
        late = next((need for need in needs if self.ended.get(need) is None), "")
        if late:
            until = step.ended_at or self.end
            return Timing((Span("needs", self.start, max(until, self.start)),), late, step.ended_at)
        last = max(needs, key=lambda need: self.ended[need] or self.start, default="")
        ready = max(self.start, (self.ended[last] if last else None) or self.start)
        before = (Span("needs", self.start, ready),) if ready > self.start else ()
        items = tuple(Timing(tuple(self._own(item, ready)), "", item.ended_at) for item in step.items)
        if items:
            first = min((span.start for item in items for span in item.spans if span.kind == "run"), default=self.end)
            own: Iterable[Span] = (Span("queue", ready, max(ready, first)),)
        else:
            own = self._own(step, ready)
        return Timing((*before, *own), last if before else "", step.ended_at, items)

    def _own(self, step: StepView, ready: datetime) -> Iterable[Span]:
        """From when all that it needs had ended."""
        if not step.history:
            started = max(ready, step.started_at or step.ended_at or self.end)
            if started > ready and (step.started_at is not None or step.ended_at is None):
                yield Span("queue", ready, started)
            if step.started_at is not None:
                yield Span("run", started, max(started, step.ended_at or self.end), 1, step.phase == "Failed")
            return
        at = ready
        before: Attempt | None = None
        for attempt in step.history:
            begun = max(at, attempt.started_at)
            yield from self._between(step, before, at, begun)
            at = max(begun, attempt.ended_at or self.end)
            yield Span("run", begun, at, attempt.number, attempt.phase == "Failed")
            before = attempt
        if step.ended_at is None and at < self.end:
            yield from self._between(step, before, at, self.end)

    def _between(self, step: StepView, before: Attempt | None, start: datetime, end: datetime) -> Iterable[Span]:
        """What the time between two attempts went for; `before` is the one that ended at `start`."""
        if end <= start:
            return
        kind: Kind = "queue"
        until = end
        if before is not None and before.waiting is not None:
            kind = "people"
            taken = [d.at for d in self.decisions.get((step.id, step.item), []) if start <= d.at <= end]
            due = before.waiting.due
            until = max(taken, default=due if due is not None and due < end and step.phase != "Waiting" else end)
        elif before is not None and before.retry_at is not None:
            kind, until = "retry", before.retry_at
        elif before is not None and before.failure is not None and before.failure.failure_class == "cut_off":
            kind = "stopped"
        until = min(max(until, start), end)
        yield Span(kind, start, until)
        if until < end:
            yield Span("queue", until, end)


def needs_of(view: RunView) -> dict[str, tuple[str, ...]]:
    """What each step waits for: its edges; of `finally`, all other steps, or the one before it."""
    needs = {node.id: tuple(edge.step for edge in node.needs) for node in view.plan.nodes}
    before = tuple(node.id for node in view.plan.nodes)
    for node in view.plan.finals:
        needs[node.id] = before
        before = (node.id,)
    return needs


def nodes_of(view: RunView) -> dict[str, Node]:
    """The plan's nodes by id, finals included."""
    return {node.id: node for node in (*view.plan.nodes, *view.plan.finals)}


def _last(view: RunView, start: datetime) -> datetime:
    """The last thing that is known to have happened."""
    known = [start, *(decision.at for decision in view.decisions)]
    for step in view.steps:
        for one in (step, *step.items):
            known += [at for at in (one.started_at, one.ended_at) if at is not None]
            known += [at for attempt in one.history for at in (attempt.started_at, attempt.ended_at) if at is not None]
    return max(known)


def _chain(view: RunView, steps: Mapping[str, Timing], start: datetime, taken_over: frozenset[str]) -> Sequence[Link]:
    """Back from the step that ended last, always to the need that ended last: these steps set the run's length.

    The shares add up to the time from the start to the end of the last step.
    """
    ended = {step.id: step.ended_at for step in view.steps if step.ended_at is not None and step.id not in taken_over}
    links: list[Link] = []
    step = max(ended, key=lambda name: ended[name], default="")
    while step:
        before = steps[step].waited_for
        share = max(ended[step] - ended.get(before, start), timedelta())
        links.append(Link(step, share, min(steps[step].total("queue"), share)))
        step = before if before in ended and len(links) < len(ended) else ""
    return _without(links[::-1], {step.id for step in view.steps if step.phase == "Omitted"})


def _without(links: Sequence[Link], left_out: set[str]) -> list[Link]:
    """The chain without steps that never started; their share goes to the one that waited for them."""
    kept: list[Link] = []
    carried = timedelta()
    for link in links:
        if link.step in left_out:
            carried += link.share
        else:
            kept.append(link._replace(share=link.share + carried))
            carried = timedelta()
    return kept
