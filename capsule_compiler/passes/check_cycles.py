"""An order exists in which every step comes after what it needs; where none does, the whole cycle is shown.

Linear in steps and edges: no path is ever walked twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from msgspec.structs import replace

from somagent.capsule_compiler.draft import Draft, StepDraft
from somagent.governance.documents import Diagnostic, Label, Path, Span, locate

MAX_SHOWN = 20
MAX_NAMED = 20


def check_cycles(draft: Draft) -> Draft:
    """Orders the steps; of those that could be next, the first in the text comes first."""
    steps = {step.id: step for step in draft.steps.values() if not step.final}
    order = _ordered(steps)
    found: list[Diagnostic] = []
    ordered = set(order)
    stuck = {name: step for name, step in steps.items() if name not in ordered}
    while stuck and len(found) < MAX_SHOWN:
        cycle = _cycle(stuck)
        found.append(_report(draft, cycle))
        members = set(cycle)
        left = {name: step for name, step in stuck.items() if name not in members}
        free = set(_ordered(left))
        stuck = {name: step for name, step in left.items() if name not in free}
    return replace(draft.reporting(found), order=tuple(order))


def _ordered(steps: Mapping[str, StepDraft]) -> list[str]:
    """The steps that can be ordered, in order; needs outside of `steps` are taken as met."""
    names = list(steps)
    rank = {name: index for index, name in enumerate(names)}
    waiting = {name: sum(need in steps for need in steps[name].needs) for name in names}
    followers: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for need in steps[name].needs:
            if need in followers:
                followers[need].append(name)
    ready = [rank[name] for name in names if not waiting[name]]
    order: list[str] = []
    while ready:
        done = names[heapq.heappop(ready)]
        order.append(done)
        for follower in followers[done]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, rank[follower])
    return order


def _cycle(stuck: Mapping[str, StepDraft]) -> list[str]:
    """One cycle among steps that all wait for others of them; `a, b` means a needs b needs a."""
    current = next(iter(stuck))
    seen: dict[str, int] = {}
    path: list[str] = []
    while current not in seen:
        seen[current] = len(path)
        path.append(current)
        current = next(need for need in stuck[current].needs if need in stuck)
    return path[seen[current] :]


def _report(draft: Draft, cycle: list[str]) -> Diagnostic:
    names = cycle if len(cycle) <= MAX_NAMED else [*cycle[: MAX_NAMED - 1], "...", cycle[-1]]
    shown = " -> ".join(name if name == "..." else f"`{name}`" for name in [*names, cycle[0]])
    first = draft.steps[cycle[0]]
    labels = [
        Label(_place(draft, draft.steps[name], need), f"`{name}` needs `{need}`")
        for name, need in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    ][:MAX_NAMED]
    if len(cycle) == 1:
        message = f"step `{cycle[0]}` reads its own output"
        return Diagnostic("cycle", message, labels[0].span, help="read the output of a step that comes before it")
    return Diagnostic(
        "cycle",
        f"steps wait for each other: {shown}",
        _place(draft, first, cycle[1]),
        note=labels[0].text,
        labels=tuple(labels[1:]),
        help="take one of these references away",
    )


def _place(draft: Draft, step: StepDraft, need: str) -> Span:
    """Where a step says that it needs another."""
    for expression in step.expressions:
        for reference in expression.reads:
            if reference.names[:2] == ("steps", need):
                return locate(draft.source, draft.scalar(expression), reference.spans[1])
    path: Path = (*step.path, "needs", step.spec.needs.index(need))
    return draft.span(path)
