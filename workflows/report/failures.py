"""What went wrong, in words, with the last lines that each failed attempt wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from somagent.operators.runner.records import NO_ITEM, StepKey
from somagent.workflows.engines.protocol import LogChunk, RunView, StepView
from somagent.workflows.report.icons import phase
from somagent.workflows.report.markup import Html, block, code, join, said, tag
from somagent.workflows.report.timing import needs_of
from somagent.workflows.report.words import FAILURES, counted, listed

_Tails = Mapping[tuple[StepKey, int], str]  # by step and attempt

_MOST = 50
_TAIL_LINES, _TAIL_CHARS = 40, 8_000
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def failed_steps(view: RunView) -> list[StepView]:
    """Steps and items that failed or were cancelled; of a fan-out its items, when they are what failed."""
    failed = []
    for step in view.steps:
        items = [item for item in step.items if item.phase == "Failed"]
        if step.phase == "Failed" and not items:
            failed.append(step)
        failed += items
    return failed


def failures(view: RunView, logs: Iterable[LogChunk] | None) -> Html:
    """A card for each failure; empty when there is none. Without `logs` nothing is said of what was written."""
    failed = failed_steps(view)
    tails = _tails(failed[:_MOST], logs) if failed and logs is not None else None
    cards = [_failure(view, step, tails) for step in failed[:_MOST]]
    if len(failed) > _MOST:
        cards.append(tag("p", f"{len(failed):,} failures in all; the first {_MOST} are shown.", class_="card note"))
    return join(cards)


def _failure(view: RunView, step: StepView, tails: _Tails | None) -> Html:
    failure = step.failure
    title = step.id if step.item == NO_ITEM else f"{step.id}, item {step.item}"
    parts: list[str] = [tag("header", tag("h3", code(title)), phase(step.phase))]
    if failure is not None:
        parts.append(tag("div", block(failure.message), class_="message"))
        meaning = f"{failure.failure_class}: {FAILURES[failure.failure_class]}."
        tries = f" It was tried {counted(step.attempts, 'time')}." if step.attempts > 1 else ""
        parts.append(tag("p", meaning + tries, class_="note"))
    after = kept_from_starting(view, step.id)
    if after:
        names = listed([*after[:10], f"{len(after) - 10:,} more"] if len(after) > 10 else after)
        parts.append(tag("p", "Because of it these never started: ", said(names, 1_000), class_="note"))
    if tails is not None and step.history:
        last = step.history[-1]
        parts += _log(tails.get((last.key, last.number), ""))
    return tag("article", *parts, class_="card failure")


def _tails(failed: Iterable[StepView], logs: Iterable[LogChunk]) -> _Tails:
    """The end of what the last attempt of each failed step wrote; nothing else of the logs is kept."""
    tails = {(step.history[-1].key, step.history[-1].number): "" for step in failed if step.history}
    for chunk in logs:
        which = (chunk.key, chunk.attempt)
        if which in tails:
            tails[which] = (tails[which] + chunk.text)[-4 * _TAIL_CHARS :]
    return tails


def _log(written: str) -> Iterator[Html]:
    lines = _TERMINAL.sub("", written).replace("\r\n", "\n").rstrip().splitlines()
    if not lines:
        yield tag("p", "It wrote nothing to its log.", class_="note")
        return
    tail = "\n".join(lines[-_TAIL_LINES:])
    cut = len(lines) > _TAIL_LINES or len(tail) > _TAIL_CHARS
    yield tag("p", "The last lines of its log" if cut else "Its log", class_="label")
    yield block(tail[-_TAIL_CHARS:], _TAIL_CHARS)


def kept_from_starting(view: RunView, step: str) -> list[str]:
    needs = needs_of(view)
    omitted = [other.id for other in view.steps if other.phase == "Omitted"]
    behind = {step}
    for name in omitted:  # in topological order
        if behind.intersection(needs.get(name, ())):
            behind.add(name)
    return [name for name in omitted if name in behind]
