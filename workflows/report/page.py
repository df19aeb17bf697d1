"""The page: one file, no script, nothing fetched from anywhere, and a security policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from somagent.operators.runner.contents import Contents
from somagent.operators.runner.folders import PARTIAL
from somagent.workflows.engines.protocol import LogChunk, RunView
from somagent.workflows.engines.views import inner_runs
from somagent.workflows.report.evidence import evidence
from somagent.workflows.report.failures import failed_steps, failures
from somagent.workflows.report.findings import Findings, collect, findings_list
from somagent.workflows.report.graph_svg import graph
from somagent.workflows.report.icons import symbols
from somagent.workflows.report.inside import inside
from somagent.workflows.report.markup import STYLE, Html, tag
from somagent.workflows.report.people import all_asked, reviews
from somagent.workflows.report.results import inputs, results
from somagent.workflows.report.spending import spending
from somagent.workflows.report.steps import steps
from somagent.workflows.report.stored import Stored
from somagent.workflows.report.summary import glossary, summary
from somagent.workflows.report.timeline import timeline
from somagent.workflows.report.timing import RunTimes, measure
from somagent.workflows.report.values import Shower
from somagent.workflows.report.words import moment

_LOG_CHARACTERS = 32_000
_SHORT = {"graph": "Graph", "time": "Timeline", "people": "Reviews", "steps": "Steps", "words": "Help"}  # in the bar
_GRAPH = (
    "Arrows lead from a step to those that need it: solid where data goes along, dashed where only the order matters."
    " The thick line is the chain of steps that set the run's length. A step leads to its details."
)


def write_report(
    view: RunView,
    path: Path,
    *,
    contents: Contents | None = None,
    logs: Iterable[LogChunk] | None = None,
    now: datetime | None = None,
) -> None:
    """Writes `render_report` as UTF-8; raises `OSError`. The file appears whole or not at all."""
    page = render_report(view, contents=contents, logs=logs, now=now)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}{PARTIAL}")
    partial.write_bytes(page.encode("utf-8"))
    partial.replace(path)


def render_report(
    view: RunView,
    *,
    contents: Contents | None = None,
    logs: Iterable[LogChunk] | None = None,
    now: datetime | None = None,
) -> str:
    """The report of a run as one HTML document.

    `contents` gives large values and what is in folders; without it the page says that it was made without.
    `logs` is what the attempts wrote (an engine's `logs`); it is read only when something failed, whose last lines
    are shown. `now` ends what is still going on.
    """
    made_at = now or datetime.now(UTC)
    times = measure(view, made_at)
    logs = [_end_of(chunk) for chunk in logs] if logs is not None and any(inner_runs(view)) else logs
    stored = Stored(contents)
    found = collect(view, stored)
    sections = [
        (anchor, title, intro, body)
        for anchor, title, intro, body in _sections(view, times, stored, found, logs, made_at)
        if body
    ]
    links = (tag("a", _SHORT.get(anchor, title), href=f"#{anchor}") for anchor, title, _, _ in sections)
    nav = tag("nav", tag("ul", *(tag("li", link) for link in links)), aria_label="Sections")
    body = tag(
        "body",
        symbols(),
        tag("a", "To the content", href="#content", class_="skip"),
        tag("div", summary(view, times, found), class_="band"),
        nav,
        tag("main", *(_section(*section) for section in sections), id="content"),
        tag(
            "footer",
            tag("p", f"Made by SomaGent on {moment(made_at)} from what the run wrote down. All times are UTC."),
        ),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{_head(view)}{body}</html>\n'


def _end_of(chunk: LogChunk) -> LogChunk:
    """What of a log can be shown, so that those of many runs fit into memory."""
    return LogChunk(key=chunk.key, attempt=chunk.attempt, text=chunk.text[-_LOG_CHARACTERS:])


def _sections(  # noqa: PLR0917 - one call
    view: RunView,
    times: RunTimes,
    stored: Stored,
    found: Findings,
    logs: Iterable[LogChunk] | None,
    now: datetime,
) -> Iterator[tuple[str, str, str, Html]]:
    shower = Shower(stored)
    complete = view.phase == "Succeeded"
    asked = bool(all_asked(view))
    waits = view.phase == "Waiting"
    people = (
        "people",
        "Reviews and decisions",
        "What people were asked, and what they decided.",
        reviews(view, times, shower),
    )
    if failed_steps(view):
        intro = "Each failure with its class, its reason, what the step was given and the last lines of its log."
        yield "failures", "What failed", intro, failures(view, logs, Shower(stored))
    if waits:
        yield people
    if found.found or found.declared:
        intro = "What the run says somebody should look at."
        yield "findings", "Findings", intro, findings_list(found, complete=complete)
    if view.outputs or view.plan.outputs:
        yield "results", "Results", "What the run gives to whoever started it.", results(view, stored, shower)
    yield "graph", "Step graph", _GRAPH, graph(view, times)
    yield "time", "Who waited for what", "Each row is a step; time goes from left to right.", timeline(view, times)
    if asked and not waits:
        yield people
    yield "spending", "Budget", "What was allowed and what was spent.", spending(view, times)
    yield "steps", "Step by step", "All that is written down about each step.", steps(view, times, Shower(stored))
    yield (
        "inside",
        "Capsules inside",
        "Each step that is a capsule, as a run of its own.",
        inside(view, stored, logs, now),
    )
    yield (
        "evidence",
        "Evidence",
        "What this run was made of and what was decided about it, with digests, so that others can check it.",
        evidence(view),
    )
    yield "inputs", "Inputs", "What the run was started with.", inputs(view, Shower(stored))
    yield "words", "How to read this page", "", glossary()


def _section(anchor: str, title: str, intro: str, body: Html) -> Html:
    head = tag("h2", title, id=f"{anchor}-title")
    return tag(
        "section",
        head,
        tag("p", intro, class_="intro") if intro else "",
        body,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def _head(view: RunView) -> Html:
    style = STYLE.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{view.plan.capsule.name[:80]}: {view.phase}, {view.run.id}"),
        Html(f"<style>{style}</style>"),
    )
