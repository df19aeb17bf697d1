"""A run at a bucket as people see it: one listing, and whatever has changed since it was last looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from somagent.operators.runner.records import Phase, RunRecord, StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import at_once, attempts_in
from somagent.workflows.engines.objects.deeds import cancelled_by, decisions_in
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.parked import can_be_stopped
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.rules import is_final
from somagent.workflows.engines.views import over_budget, step_views


async def run_view(ledger: ObjectLedger, run_id: str) -> RunView:
    """The run and the runs inside it; raises `UnknownRun`."""
    listed: dict[str, list[str]] = {}
    for name in await ledger.bucket.names(names.top_folder(run_id)):
        listed.setdefault(name.split("/")[2], []).append(name)
    submitted = [await ledger.deeds.run(run_id), *[await ledger.deeds.submitted(one) for one in sorted(listed)]]
    runs = {run.id: run for run in submitted if run is not None}
    inside: dict[str, dict[StepKey, RunRecord]] = {}
    for run in sorted(runs.values(), key=lambda run: run.created_at):  # the newest of a step's runs is the last one
        if run.parent is not None:
            inside.setdefault(run.parent.run, {})[StepKey(*astuple(run.parent))] = run

    async def view(run: RunRecord) -> RunView:
        below = {key: await view(child) for key, child in inside.get(run.id, {}).items()}
        return await _run_view(ledger, run, listed.get(run.id, []), below)

    return await view(runs[run_id])


async def phase_now(ledger: ObjectLedger, run_id: str) -> Phase:
    """The phase of a run that has not ended."""
    return (await run_view(ledger, run_id)).phase


async def is_to_stop(ledger: ObjectLedger, run_id: str) -> bool:
    """Whether somebody has cancelled the run, and something that a cancellation ends is at work or waits for people."""
    if not cancelled_by(await ledger.deeds.all(run_id)):
        return False
    view = await run_view(ledger, run_id)
    running = [step.id for step in view.steps if "Running" in {step.phase, *(item.phase for item in step.items)}]
    return can_be_stopped(view) or any(not is_final(view.plan, step) for step in running)


async def _run_view(
    ledger: ObjectLedger, run: RunRecord, listed: Sequence[str], inside: Mapping[StepKey, RunView]
) -> RunView:
    plan = await ledger.plan(run.id)
    steps = f"{names.step_folder(run.id)}/"
    tried = await ledger.attempts_of.of(names.keys_in(run.id, [name for name in listed if name.startswith(steps)]))
    results = [ends[-1].result for ends, _ in tried if ends and ends[-1].result is not None]
    attempts = attempts_in(tried)
    opened = [name for name in listed if name.startswith(f"{names.opened(run.id)}/")]
    items = await at_once([ledger.bucket.read(name) for name in opened])
    fan_outs = {name.rpartition("/")[2]: int(count or 0) for name, count in zip(opened, items, strict=True)}
    closed = await ledger.closed(run.id)
    views = step_views(run.id, plan, results, attempts, fan_outs, at_work=closed is None, inside=inside)
    deeds = await ledger.deeds.all(run.id)
    return RunView(
        run=run,
        plan=plan,
        phase=_phase(views) if closed is None else closed.phase,
        steps=views,
        started_at=await ledger.started_at(run.id),
        ended_at=None if closed is None else closed.at,
        outputs={} if closed is None else closed.outcome.outputs,
        failure=None if closed is None else closed.outcome.failure,
        decisions=decisions_in(deeds),
        warnings=over_budget(plan, views),
    )


def _phase(views: Sequence[StepView]) -> Phase:
    """Of a run that has not ended. What a step has left open inside counts: its `finally` may ask people."""
    steps = [one for view in views for one in (view, *view.items)]
    phases = {view.phase for view in views}
    phases |= {one.inner.phase for one in steps if one.inner is not None and one.inner.ended_at is None}
    if "Running" in phases:
        return "Running"
    return "Waiting" if "Waiting" in phases else "Pending" if phases == {"Pending"} else "Running"
