"""What a run is inside of."""

from __future__ import annotations

from collections.abc import AsyncIterator

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.runner.records import RunRecord
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.rules import is_final


async def is_at_the_end(ledger: ObjectLedger, run: RunRecord) -> bool:
    """Whether the run is a part of `finally`, of whatever run around it."""
    return any([is_final(plan, node.id) async for _, plan, node in around(ledger, run)])


async def around(ledger: ObjectLedger, run: RunRecord) -> AsyncIterator[tuple[RunRecord, Plan, Node]]:
    """The run and those around it, from the inside out, with the plan of the next one and the step there."""
    while run.parent is not None:
        above = await ledger.deeds.run(run.parent.run)
        plan = await ledger.plan(above.id)
        node = plan.node(run.parent.step)
        yield run, plan, node
        run = above
