"""Runs at a bucket as lists: a line for each run, and what its attempts wrote."""

from __future__ import annotations

from somagent.operators.runner.records import Attempt, RunRecord
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import at_once, attempts_in
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.reading import phase_now
from somagent.workflows.engines.protocol import LogChunk, RunSummary


async def summaries(ledger: ObjectLedger, *, children: bool) -> list[RunSummary]:
    """A line for every run, newest first; with `children` also for those that are part of another one."""
    begun = [name for name in await ledger.bucket.names(names.RUNS) if name.endswith("/deeds/1")]
    runs = await at_once([ledger.deeds.submitted(name.split("/")[2]) for name in begun])
    shown = [run for run in runs if run is not None and (children or run.parent is None)]
    lines = await at_once([_summary(ledger, run) for run in shown])
    return sorted(lines, key=lambda line: (line.created_at, line.id), reverse=True)


async def _summary(ledger: ObjectLedger, run: RunRecord) -> RunSummary:
    closed = await ledger.closed(run.id)
    return RunSummary(
        id=run.id,
        capsule=run.capsule,
        phase=await phase_now(ledger, run.id) if closed is None else closed.phase,
        submitter=run.submitter,
        created_at=run.created_at,
        ended_at=None if closed is None else closed.at,
    )


async def logs(ledger: ObjectLedger, run_id: str, step: str | None) -> list[LogChunk]:
    """What the attempts of a run, or of one of its steps, wrote; one that wrote nothing is left out.

    Of those at work, and of those that were killed at it, it is what was kept last.
    """
    await ledger.deeds.run(run_id)
    keys = await ledger.attempts_of.keys(run_id, step or "")
    attempts = attempts_in(await ledger.attempts_of.of(keys))
    written = await at_once([_written(ledger, one) for one in attempts])
    return [
        LogChunk(key=attempt.key, attempt=attempt.number, text=content.decode(errors="replace"))
        for attempt, content in zip(attempts, written, strict=True)
        if content
    ]


async def _written(ledger: ObjectLedger, attempt: Attempt) -> bytes | None:
    whole = await ledger.bucket.read(names.log(attempt.key, attempt.number))
    return whole if whole is not None else await ledger.bucket.read(names.said(attempt.key, attempt.number))
