"""The runs inside a run: each capsule that a step is, with its own steps, failures and questions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from somagent.workflows.engines.protocol import LogChunk, RunView
from somagent.workflows.engines.views import Inner, inner_runs
from somagent.workflows.report.failures import failed_steps, failures
from somagent.workflows.report.icons import phase
from somagent.workflows.report.markup import Html, code, facts, join, said, tag
from somagent.workflows.report.results import inputs, results
from somagent.workflows.report.steps import steps
from somagent.workflows.report.stored import Stored
from somagent.workflows.report.timing import measure
from somagent.workflows.report.values import Shower
from somagent.workflows.report.words import counted, duration

_MOST = 200  # runs that are shown whole; the evidence is in the journal for all


def inside(view: RunView, stored: Stored, logs: Iterable[LogChunk] | None, now: datetime) -> Html:
    """One fold for each run inside; empty when there is none."""
    found = list(inner_runs(view))
    kept = list(logs) if logs is not None and any(failed_steps(one.view) for one in found[:_MOST]) else None
    folds = [_fold(f"r{number}", one, stored, kept, now) for number, one in enumerate(found[:_MOST])]
    left = len(found) - len(folds)
    more = tag("p", f"and {counted(left, 'more run')}; `somagent show` has all", class_="note") if left > 0 else ""
    return join([tag("div", *folds, class_="card folds"), more]) if folds else Html("")


def _fold(anchor: str, inner: Inner, stored: Stored, logs: list[LogChunk] | None, now: datetime) -> Html:
    view, shower = inner.view, Shower(stored)
    times = measure(view, now)
    took = duration(times.end - times.start)
    summary = tag(
        "summary",
        code(inner.name, 120),
        tag("span", f"{view.run.capsule} · {counted(len(view.steps), 'step')} · {took}", class_="note"),
        phase(view.phase),
    )
    told = [("Capsule", said(view.run.capsule, 120)), ("Run", code(view.run.id)), ("Plan", code(view.run.plan_digest))]
    if view.run.retry_of:
        told.append(("Takes over from", code(view.run.retry_of)))
    parts = [facts(told)]
    if failed_steps(view):
        parts.append(failures(view, logs, shower))
    parts += [
        steps(view, times, shower, anchor=f"{anchor}-"),
        tag("p", "What it was given", class_="label"),
        inputs(view, shower),
    ]
    if view.outputs:
        parts += [tag("p", "What it gave", class_="label"), results(view, stored, shower)]
    return tag("details", summary, tag("div", *parts, id=anchor, class_="inside"))
