"""After a death: what attempts left running is ended before anything else is done with their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from somagent.capsule_compiler.plan import Plan
from somagent.operators.operator import Operator
from somagent.operators.runner.records import StepKey


async def end_orphans(plan: Plan, keys: Iterable[StepKey], operators: Mapping[str, Operator], workspace: Path) -> None:
    """Ends what the attempts of these steps left running below `workspace`; nobody else may be at work on them."""
    ends = []
    for key in keys:
        operator = operators.get(plan.node(key.step).operator)
        if operator is not None and operator.abandon is not None:
            ends.append(operator.abandon(key, workspace))
    await asyncio.gather(*ends)
