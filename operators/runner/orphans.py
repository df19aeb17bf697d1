"""After a death: what attempts left running is ended before anything else is done with their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from somagent.capsule_compiler.plan import Plan
from somagent.operators.operator import Operator
from somagent.operators.runner.records import StepKey

_PATIENCE_S = 15.0  # a script's processes get 2 s to leave, and 5 s to be gone after they were killed


async def end_orphans(plan: Plan, keys: Iterable[StepKey], operators: Mapping[str, Operator], workspace: Path) -> None:
    """Ends what the attempts of these steps left running below `workspace`; nobody else may be at work on them.

    An operator that cannot do it, or not in time, keeps nobody from going on.
    """
    ends = []
    for key in keys:
        operator = operators.get(plan.node(key.step).operator)
        if operator is not None and operator.abandon is not None:
            ends.append(asyncio.wait_for(operator.abandon(key, workspace), _PATIENCE_S))
    await asyncio.gather(*ends, return_exceptions=True)
