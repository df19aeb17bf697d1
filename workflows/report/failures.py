"""What went wrong, in words, with what each failed step was given and the last lines that it wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from somagent.operators.runner.records import NO_ITEM, StepKey, artifact_of
from somagent.workflows.engines.protocol import LogChunk, RunView, StepView
from somagent.workflows.report.icons import phase
from somagent.workflows.report.markup import Html, block, code, join, said, tag
from somagent.workflows.report.timing import needs_of
from somagent.workflows.report.values import Shower
from somagent.workflows.report.words import FAILURES, counted, listed
from somagent.workflows.what_helps import what_helps

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


def failures(view: RunView, logs: Iterable[LogChunk] | None, shower: Shower) -> Html:
    """A card for each failure; empty when there is none. Without `logs` nothing is said of what was written."""
    failed = failed_steps(view)
    tails = _tails(failed[:_MOST], logs) if failed and logs is not None else None
    cards = [_failure(view, step, tails, shower) for step in failed[:_MOST]]
    if len(failed) > _MOST:
        cards.append(tag("p", f"{len(failed):,} failures in all; the first {_MOST} are shown.", class_="card note"))
    return join(cards)


def _failure(view: RunView, step: StepView, tails: _Tails | None, shower: Shower) -> Html:
    failure = step.failure
    title = step.id if step.item == NO_ITEM else f"{step.id}, item {step.item}"
    parts: list[str] = [tag("header", tag("h3", code(title)), phase(step.phase))]
    if failure is not None:
        parts.append(tag("div", block(failure.message), class_="message"))
        meaning = f"{failure.failure_class}: {FAILURES[failure.failure_class]}."
        tries = f" It was tried {counted(step.attempts, 'time')}." if step.attempts > 1 else ""
        helps = what_helps(failure)
        parts.append(tag("p", meaning + tries + (f" What helps: {helps}." if helps else ""), class_="note"))
    after = kept_from_starting(view, step.id)
    if after:
        names = listed([*after[:10], f"{len(after) - 10:,} more"] if len(after) > 10 else after)
        parts.append(tag("p", "Because of it these never started: ", said(names, 1_000), class_="note"))
    source = view.plan.source
    if source.file and step.id in source.lines:
        parts.append(tag("p", "It stands in ", code(f"{source.file}:{source.lines[step.id]}"), class_="note"))
    given = _given(view, step, shower)
    if given:
        parts += [tag("p", "What it was given", class_="label"), shower.show(dict(_flat(given)))]
    if tails is not None and step.history:
        last = step.history[-1]
        parts += _log(tails.get((last.key, last.number), ""))
    return tag("article", *parts, class_="card failure")


def _given(view: RunView, step: StepView, shower: Shower) -> Any:
    """The arguments of its last attempt, None when they cannot be made again. Of secrets they have the names only."""
    if shower.stored.contents is None:
        return None
    from somagent.workflows.engines.given import given_to  # noqa: PLC0415 - only where something failed

    making = given_to(view, step, shower.stored.contents)
    try:
        making.send(None)  # all that it reads is here, so it never waits
    except StopIteration as made:
        return made.value
    making.close()
    return None


def _flat(value: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Each argument by its whole name, as `somagent show` has it: `env.LANG`."""
    for key, part in value.items():
        whole = f"{name}.{key}" if name else key
        if isinstance(part, dict) and part and artifact_of(part) is None:
            yield from _flat(part, whole)
        else:
            yield whole, artifact_of(part) or part


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
