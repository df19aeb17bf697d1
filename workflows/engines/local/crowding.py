"""Which limited resource a step has to wait for, and who has it: read from the journal, so that anybody can say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.run_names import path_below, top_of
from somagent.workflows.engines.slots import Limits, resources_of


class Crowded(NamedTuple):
    """What there is no more of at the moment."""

    resource: str
    holders: tuple[str, ...]  # steps at work with it: `build`, and of other runs `RUN/build`; none: its rate is used up
    left_s: float = 0.0  # until its rate lets another attempt begin


def crowded(
    rows: Rows, run_id: str, limits: Limits, wait_s: Callable[[Sequence[str]], float] = lambda _: 0.0
) -> dict[str, Crowded]:
    """By the name of each step of a run, and of those inside it: what it would have to wait for, if it could begin.

    `wait_s` knows how long rates make attempts wait, which is known in the process that works only.
    """
    plans: dict[str, Plan] = {}

    def used(key: StepKey) -> list[str]:
        if key.run not in plans:
            plans[key.run] = rows.plan(key.run)
        plan = plans[key.run]
        return [name for name in resources_of(plan, plan.node(key.step)) if name in limits.resources]

    epoch = rows.run(run_id).epoch
    at_work = [key for key in rows.open_keys() if rows.run(key.run).epoch == epoch]
    holders: dict[str, list[StepKey]] = {}
    for key in at_work:
        for name in used(key):
            holders.setdefault(name, []).append(key)
    found: dict[str, Crowded] = {}
    for inside in (run_id, *rows.inside(run_id)):
        plan = plans.setdefault(inside, rows.plan(inside))
        for node in (*plan.nodes, *plan.finals):
            key = StepKey(inside, node.id)
            for name in used(key):
                most, has = limits.resources[name].at_once, holders.get(name, [])
                left = wait_s((name,))
                if most and len(has) >= most:
                    found[path_below(run_id, key)] = Crowded(name, tuple(_named(run_id, one) for one in has))
                elif left > 0:
                    found[path_below(run_id, key)] = Crowded(name, (), left)
    return found


def _named(run_id: str, key: StepKey) -> str:
    top = top_of(key.run)
    return path_below(run_id, key) if top == top_of(run_id) else f"{top}/{path_below(top, key)}"
