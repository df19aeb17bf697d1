"""The pool that a run's tasks take their slots from; asked for before, since Airflow itself waits without a word."""

from __future__ import annotations

from somagent.workflows.engines.airflow.rest import Refused, Rest
from somagent.workflows.engines.airflow.settings import POOL
from somagent.workflows.engines.protocol import EngineError

UNLIMITED = -1  # slots, as Airflow writes it; it says the same of those that are open


async def check_pool(rest: Rest, name: str) -> None:
    """Raises `EngineError` when no task could ever begin."""
    try:
        pool = await rest.get("pools", name)
    except Refused as refused:
        if refused.status != 404:
            raise
        there = sorted(str(one["name"]) for one in (await rest.get("pools"))["pools"])
        raise EngineError(f"Airflow has no pool `{name}` ({POOL}); there are: {', '.join(there)}") from None
    if pool["slots"] == 0:
        raise EngineError(f"pool `{name}` has no slots, so nothing could begin; give it some in Airflow (Admin, Pools)")
