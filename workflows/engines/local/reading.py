"""Runs and logs for whoever looks on, from any process: no lease, nothing made, nothing changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from somagent.operators.runner.records import NO_ITEM, Phase, StepKey
from somagent.workflows.engines import lease as leases
from somagent.workflows.engines.local.rows import Rows, RunRow
from somagent.workflows.engines.local.sqlite import store_at
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.parked import OpenQuestion, can_be_stopped, open_questions
from somagent.workflows.engines.protocol import JournalDamaged, LogChunk, RunSummary, RunView, UnknownRun
from somagent.workflows.engines.views import over_budget, step_views


@contextmanager
def opened(place: Path | Store) -> Iterator[Rows]:
    """The journal of the data directory; raises `UnknownRun` when there is none."""
    store = store_at(place)
    if not store.exists():
        raise UnknownRun(f"there are no runs in {store.where}")
    with closing(Rows(store)) as rows:
        yield rows


def server(store: Store) -> int | None:
    """The process that works on whatever is submitted, if there is one."""
    if not store.shared:
        return leases.server(store.directory, store.machine)
    with opened(store) as rows:
        return rows.server()


def holder(store: Store) -> int | None:
    """A process that is at work, if one is."""
    if not store.shared:
        return leases.holder(store.directory, store.machine)
    with opened(store) as rows:
        return next(iter(rows.holders().values()), None)


def summaries(place: Path | Store, *, children: bool = False) -> list[RunSummary]:
    """A line for every run that can be read, newest first; with `children` also for those inside another one.

    Raises `JournalDamaged` when there are runs and none can be read.
    """
    try:
        with opened(place) as rows, rows.snapshot():
            holders, found = rows.holders(), rows.runs(children=children)
            wrong = [] if found else rows.damaged()
    except UnknownRun:
        return []
    if wrong:
        raise wrong[0]
    return [
        RunSummary(
            id=row.run.id,
            capsule=row.run.capsule,
            phase=_phase(row, _held_by(row, holders)),
            submitter=row.run.submitter,
            created_at=row.run.created_at,
            ended_at=row.ended_at,
        )
        for row in found
    ]


def damaged(place: Path | Store) -> list[JournalDamaged]:
    """What is wrong with the runs that are left out of `summaries`."""
    try:
        with opened(place) as rows:
            return rows.damaged()
    except UnknownRun:
        return []


def waiting_for_people(place: Path | Store) -> list[OpenQuestion]:
    """Every question that runs which have not ended, and can be read, ask people, the oldest first."""
    try:
        with opened(place) as rows, rows.snapshot():
            found: list[OpenQuestion] = []
            for run in (*rows.left(parked=True), *rows.left(parked=False)):
                with suppress(JournalDamaged):
                    found += open_questions(rows, run)
    except UnknownRun:
        return []
    return sorted(found, key=lambda one: (one.since, one.run.id, one.step))


def run_view(rows: Rows, run_id: str) -> RunView:
    """The whole run, and the runs inside it; raises `UnknownRun`."""
    with rows.snapshot():
        return view_now(rows, run_id)


def view_now(rows: Rows, run_id: str) -> RunView:
    """The same, inside a snapshot that there is already."""
    return _run_view(rows, run_id, rows.holders())


def is_to_stop(rows: Rows, run_id: str) -> bool:
    """Whether a parked run was asked to stop, and has not done so as far as it can."""
    return rows.cancelled_by(run_id) is not None and can_be_stopped(view_now(rows, run_id))


def _run_view(rows: Rows, run_id: str, holders: Mapping[int, int]) -> RunView:
    row, plan, decisions = rows.run(run_id), rows.plan(run_id), rows.decisions(run_id)
    held_by = _held_by(row, holders)
    records = (rows.results(run_id), rows.attempts(run_id), rows.fan_outs(run_id))
    inside = {key: _run_view(rows, child, holders) for key, child in rows.children(run_id).items()}
    steps = step_views(run_id, plan, *records, at_work=held_by is not None, inside=inside)
    return RunView(
        run=row.run,
        plan=plan,
        phase=_phase(row, held_by),
        steps=steps,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outputs=row.outcome.outputs,
        failure=row.outcome.failure,
        decisions=decisions,
        warnings=over_budget(plan, steps),
        held_by=held_by,
    )


def logs(place: Path | Store, run_id: str, step: str | None) -> Iterator[LogChunk]:
    """What the attempts of a run, or of one of its steps, wrote; one that wrote nothing is left out."""
    with opened(place) as rows:
        directory = rows.store.directory
        rows.run(run_id)
        attempts = [attempt for attempt in rows.attempts(run_id) if step is None or attempt.key.step == step]
    for attempt in attempts:
        try:
            content = log_path(directory, attempt.key, attempt.number).read_bytes()
        except FileNotFoundError:
            continue
        yield LogChunk(key=attempt.key, attempt=attempt.number, text=content.decode(errors="replace"))


def log_path(directory: Path, key: StepKey, attempt: int) -> Path:
    """logs/RUN/STEP[.ITEM].ATTEMPT.log"""
    name = key.step if key.item == NO_ITEM else f"{key.step}.{key.item}"
    return directory / f"logs/{key.run}/{name}.{attempt}.log"


def _held_by(row: RunRow, holders: Mapping[int, int]) -> int | None:
    """The process at work on the run: it holds a lease, and it began the run under this very lease."""
    return holders.get(row.epoch) if row.phase == "Running" else None


def _phase(row: RunRow, held_by: int | None) -> Phase:
    return "Pending" if row.phase == "Running" and held_by is None else row.phase
