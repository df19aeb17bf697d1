"""Why a run failed: which step, what it was given, the last that it wrote, what came of it, and the way on.

For the end of a command, and for the exception of a program.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import NO_ITEM, Artifact, artifact_of
from somagent.workflows.engines.given import given_to
from somagent.workflows.engines.protocol import Engine, RunView, StepView
from somagent.workflows.named_steps import Named, find_step
from somagent.workflows.plain_text import between, printable, visible
from somagent.workflows.what_helps import what_helps

_LINES, _ARGUMENTS, _NAMES = 10, 12, 6
_WIDTH = 160
FACTS_AT = 11  # the column in which what is said of the failure begins
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


async def why_failed(engine: Engine, view: RunView, contents: Contents) -> list[str]:
    """The lines that say it, empty for a run that has not failed."""
    name = failed_step(view)
    found = find_step(view, name) if view.phase == "Failed" and name else None
    if found is None or found.step.failure is None:
        return []
    return [
        _headline(found),
        *[f"  {label:<{FACTS_AT - 2}}{text}".rstrip() async for label, text in _facts(engine, view, found, contents)],
    ]


def failed_step(view: RunView) -> str:
    """The name of the step, or the item, that the run failed or was cancelled for, down through the capsules."""
    name, phase = "", view.phase
    inner: RunView | None = view
    while inner is not None:
        bad = [one for step in inner.steps for one in (step.items or [step]) if one.phase == phase]
        bad = bad or [step for step in inner.steps if step.phase == phase]
        if not bad:
            break
        step = bad[0]
        name += f"/{step.id}" if step.item == NO_ITEM else f"/{step.id}/{step.item}"
        inner, phase = step.inner, step.inner.phase if step.inner is not None else phase
    return name.removeprefix("/")


def _headline(found: Named) -> str:
    step = found.step
    of = f", attempt {step.attempts}" if step.attempts > 1 else ""
    took = between(step.started_at, step.ended_at)
    after = f", after {took}" if took else ""
    assert step.failure is not None  # noqa: S101 - only asked of steps that failed
    return f"✗ {found.name} failed: {step.failure.failure_class}{of}{after}"


async def _facts(engine: Engine, view: RunView, found: Named, contents: Contents) -> AsyncIterator[tuple[str, str]]:
    from somagent.workflows.report.failures import kept_from_starting  # noqa: PLC0415 - only where something failed

    step, within = found.step, found.view
    assert step.failure is not None  # noqa: S101
    for number, line in enumerate(step.failure.message.splitlines()[:_LINES]):
        yield "said" if not number else "", printable(line, _WIDTH)
    source = within.plan.source
    if source.file and step.id in source.lines:
        yield "where", visible(f"{source.file}:{source.lines[step.id]}")
    for fact in (*_input(await given_to(within, step, contents)), *_log(engine, within, step)):
        yield fact
    omitted = kept_from_starting(within, step.id)
    if omitted:
        yield "omitted", _listed(omitted)
    others = _failed_too(view, found)
    if others:
        yield "as well", _listed(others)
    if helps := what_helps(step.failure):
        yield "mend", helps


def _failed_too(view: RunView, found: Named) -> list[str]:
    """Other items of the same step, and other steps of the run."""
    first = found.name.partition("/")[0]
    failed = [one for one in view.steps if one.phase == "Failed"]
    items = [f"{one.id}/{item.item}" for one in failed for item in one.items if item.phase == "Failed"]
    return [name for name in items + [one.id for one in failed if not one.items] if name not in {found.name, first}]


def _input(given: Any) -> Iterator[tuple[str, str]]:
    lines = list(_leaves(given, "")) if isinstance(given, dict) else []
    width = max((len(name) for name, _ in lines[:_ARGUMENTS]), default=0)
    for number, (name, value) in enumerate(lines[:_ARGUMENTS]):
        yield "input" if not number else "", f"{name:<{width}}  {value}"
    if len(lines) > _ARGUMENTS:
        yield "", f"and {len(lines) - _ARGUMENTS:,} more"


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each argument by its name, mappings taken apart: `env.LANG`."""
    if isinstance(value, dict) and value and artifact_of(value) is None:
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{printable(key, 40)}" if name else printable(key, 40))
        return
    artifact = value if isinstance(value, Artifact) else artifact_of(value)
    if artifact is not None:
        yield name, f"{artifact.kind} {printable(artifact.name)} ({artifact.size:,} bytes)"
    else:
        yield name, printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _WIDTH)


def _log(engine: Engine, view: RunView, step: StepView) -> Iterator[tuple[str, str]]:
    if not step.history:
        return
    last = step.history[-1]
    chunks = engine.logs(view.run.id, step.id)
    text = "".join(one.text for one in chunks if (one.key, one.attempt) == (last.key, last.number))
    lines = [line for line in _ESCAPES.sub("", text).splitlines() if line.strip()]
    if len(lines) > _LINES:
        yield "log", f"({len(lines):,} lines, the last {_LINES})"
    for number, line in enumerate(lines[-_LINES:]):
        yield "log" if not number and len(lines) <= _LINES else "", f"| {printable(line, _WIDTH)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
