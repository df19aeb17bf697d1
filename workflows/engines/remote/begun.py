"""Which Workflow a run is of: names come again, when one is deleted, in another namespace, or by chance."""

from __future__ import annotations

from somagent.operators.runner.records import RunRecord
from somagent.workflows.engines.objects import people
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.protocol import EngineError, UnknownRun

WORKFLOW = "SOMAGENT_WORKFLOW"  # in pods of a Workflow that was submitted without us: its id


async def begun_by(ledger: ObjectLedger, run_id: str, workflow: str) -> RunRecord | None:
    """The run that this Workflow has begun; None when there is no run of the name.

    Raises `EngineError` when there is one, and it is none of this Workflow's.
    """
    try:
        run = await ledger.deeds.run(run_id)
    except UnknownRun:
        return None
    address = await people.address_of(ledger, run_id)
    if address.begun_by != workflow:
        raise EngineError(
            f"a run `{run_id}` is there already: another Workflow ({address.where}) began it at "
            f"{run.created_at:%Y-%m-%d %H:%M:%S %Z}, and its results are no other one's; submit this one by another "
            "name (`--name`, `--generate-name`), or let `somagent prune` remove that run when nobody needs it any more"
        )
    return run
