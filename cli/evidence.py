"""What people are shown before they decide: the question, the evidence, who approved, and what they must give."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from somagent.cli.printing import printable
from somagent.cli.way_on import way_on
from somagent.operators.answers import described, given_by
from somagent.operators.deciding import approvals_of, question_of
from somagent.operators.runner.contents import ContentError, Contents
from somagent.operators.runner.records import Artifact, Decision, Waiting, artifact_of
from somagent.workflows.engines.artifacts import artifacts_of
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.run_names import top_of
from somagent.workflows.named_steps import Named

_LINES = 8  # of a file's text
_READ_BYTES = 65_536


def evidence(asked: Named, top: RunView, contents: Contents, arguments: Namespace) -> Iterator[str]:
    """The lines, ready to be printed."""
    name, within, step = asked
    waiting = step.waiting
    if waiting is None:
        return
    since = asked_since(step)
    yield f"? {printable(waiting.title)}  (step {name})"
    if since is not None:
        yield f"    asked {since.astimezone():%Y-%m-%d %H:%M}" + (
            f", to be decided by {waiting.due.astimezone():%Y-%m-%d %H:%M}" if waiting.due is not None else ""
        )
    for value in waiting.show:
        artifact = artifact_of(value)
        yield from (
            f"    {line}" for line in (_of_file(artifact, top, contents, arguments) if artifact else [_shown(value)])
        )
    so_far = approvals_so_far(within, step)
    for one in so_far:
        yield f"    approved by {printable(one.by)}" + (f": {printable(one.comment, 400)}" if one.comment else "")
    agreed = given_by(so_far)
    for output, schema in waiting.outputs.items():
        given = f" = {_shown(agreed[output])}" if output in agreed else ""
        yield f"    asks for {output} ({printable(described(schema))}){given}"


def asked_since(step: StepView) -> datetime | None:
    """When the question that the step asks now was first asked."""
    if step.waiting is None:
        return None
    question = question_of(step.waiting)
    asked = (one for one in step.history if one.waiting is not None and question_of(one.waiting) == question)
    return next((one.ended_at for one in asked), None)


def approvals_so_far(view: RunView, step: StepView) -> tuple[Decision, ...]:
    """Who has approved what the step asks now."""
    waiting: Waiting | None = step.waiting
    own = [one for one in view.decisions if (one.step, one.item) == (step.id, step.item)]
    return approvals_of(waiting, own, view.run.started_by) if waiting is not None else ()


def _of_file(artifact: Artifact, top: RunView, contents: Contents, arguments: Namespace) -> Iterator[str]:
    yield f"{artifact.kind} {printable(artifact.name)} ({artifact.size:,} bytes)"
    if artifact.kind == "file" and artifact.size <= _READ_BYTES:
        yield from (f"  | {line}" for line in _text_of(artifact, contents))
    name = next((name for name, one in artifacts_of(top).items() if one.artifact == artifact.artifact), None)
    if name is not None:
        yield f"  copy: {way_on(arguments, 'artifacts', top_of(top.run.id), name, '--to', 'FOLDER')}"


def _text_of(artifact: Artifact, contents: Contents) -> list[str]:
    """The first lines of a file of text; none of other files."""
    try:
        text = contents.read_bytes(artifact.artifact).decode()
    except (ContentError, OSError, UnicodeDecodeError):
        return []
    if "\0" in text:
        return []
    lines = text.splitlines()
    more = [f"... {len(lines) - _LINES:,} more lines"] if len(lines) > _LINES else []
    return [printable(line) for line in lines[:_LINES]] + more


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 400)
