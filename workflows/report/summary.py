"""The head of the page: how the run ended, in one sentence, and what to do when it has not ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from somagent.operators.runner.records import ENDED, Phase
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.report.failures import failed_steps
from somagent.workflows.report.findings import Findings, counts
from somagent.workflows.report.icons import icon
from somagent.workflows.report.markup import Html, block, code, facts, said, tag
from somagent.workflows.report.people import all_asked
from somagent.workflows.report.timing import RunTimes
from somagent.workflows.report.words import PHASES, counted, duration, listed, moment

_ENDINGS: dict[Phase, str] = {
    "Succeeded": "All steps that had to run succeeded.",
    "Failed": "The run failed.",
    "Waiting": "The run is parked: it goes on when people have decided.",
    "Running": "The run was still at work when this page was made.",
    "Pending": "Nobody is at work on the run. What it has recorded is kept.",
    "Cancelled": "A person stopped the run.",
}

_VERDICT = (
    "What the rules said: allow (nothing against it), audit (allowed and kept on record), require_review (people"
    " decide), deny (forbidden)."
)
_DIGEST = (
    "A fingerprint (SHA-256): when one character of the content changes, the digest is another one. Input and output"
    " digests are taken over canonical JSON (RFC 8785)."
)


def summary(view: RunView, times: RunTimes, findings: Findings) -> Html:
    """Name, state, what happened, and who, when and how long."""
    capsule = view.plan.capsule
    name, _ = PHASES[view.phase]
    return tag(
        "header",
        tag("p", "SomaGent run report", class_="eyebrow"),
        tag(
            "div",
            tag("h1", said(capsule.name, 120)),
            tag("span", icon(name), view.phase, class_=f"state p-{name}"),
            class_="title",
        ),
        tag("p", said(capsule.description, 600), class_="lead") if capsule.description else "",
        tag("div", *_sentences(view, findings), class_=f"verdict p-{name}"),
        facts(_facts(view, times), "facts head"),
        class_="top",
    )


def _sentences(view: RunView, findings: Findings) -> Iterator[Html]:
    words = [_ENDINGS.get(view.phase, ""), _steps(view)]
    yield tag("p", " ".join(filter(None, words)))
    if findings.found:
        yield tag("p", tag("a", counts(findings), href="#findings"), ".")
    if view.failure is not None and view.phase in {"Failed", "Cancelled"}:
        message = said(view.failure.message, 600)
        yield tag("p", message, " ", tag("a", "What failed", href="#failures") if failed_steps(view) else "")
    if view.warnings:
        yield tag("p", "It went beyond what its budgets allow. ", tag("a", "What was spent", href="#spending"))
    waiting = [name for name, _, step in all_asked(view) if step.phase == "Waiting"]
    if waiting:
        names = listed(waiting[:5])
        yield tag("p", "People are asked at ", said(names, 300), ". ", tag("a", "What they are asked", href="#people"))
    if view.phase == "Pending":
        yield tag("p", "To go on:")
        yield block(f"somagent resume {view.run.id}")


def _steps(view: RunView) -> str:
    if not view.steps:
        return "It has no steps."
    tally = Counter(step.phase for step in view.steps)
    parts = [f"{tally[phase]:,} {phase.lower()}" for phase in PHASES if tally[phase]]
    items = sum(len(step.items) for step in view.steps)
    of_items = f", with {counted(items, 'item')} in fan-outs" if items else ""
    return f"{counted(len(view.steps), 'step')}{of_items}: {listed(parts)}."


def _facts(view: RunView, times: RunTimes) -> Iterator[tuple[str, str]]:
    capsule, run = view.plan.capsule, view.run
    package = f"{capsule.package} {capsule.version}".strip()
    yield "Run", code(run.id)
    yield "Package", said(package, 200) if package else ""
    yield "Started by", said(run.submitter, 120)
    yield "Started", moment(times.start)
    yield "Ended", moment(view.ended_at) if view.ended_at else "not yet"
    yield "Duration", duration(times.end - times.start) + ("" if view.phase in ENDED else " so far")
    if run.retry_of:
        yield "Goes on from run", code(run.retry_of)


def glossary() -> Html:
    """The words that the page uses, for somebody who sees such a page for the first time."""
    words = (
        ("Capsule", "The file that says which steps to run. The run worked from a checked copy of it, the plan."),
        ("Step, attempt", "A step is one piece of work; each try at it is an attempt."),
        ("Fan-out", "A step that is done once for each item of a list."),
        ("Gate", "A step that lets the run go on only when a rule or a person says so."),
        ("Constitution, policy set", "Written rules that every step, or a step's input, is held against."),
        ("Verdict", _VERDICT),
        ("Digest", _DIGEST),
    )
    phases = [tag("li", icon(name), tag("b", phase), f": {meaning}") for phase, (name, meaning) in PHASES.items()]
    return tag(
        "div", facts(words, "terms"), tag("p", "How a step stands:"), tag("ul", *phases, class_="phases"), class_="card"
    )
