"""Operators with real effects, small enough to see through; third-party operators are made just like these."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import Any

from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts
from somagent.operators.deciding import outcome
from somagent.operators.operator import Answer, Operator, Park, Step, StepFailure
from somagent.operators.runner.records import Waiting


class Noop(Struct):
    """Nothing."""


class Note(Struct):
    """Appends `began STEP[.ITEM] ATTEMPT` to a file, waits, fails as often as asked, appends `ended ...`."""

    file: str
    value: Any = None
    seconds: float = 0.0
    tokens: int = 0  # reserved and spent
    more_tokens: int = 0  # spent without being reserved
    fail: list[str] = []  # failure class of the first attempts, one each
    always: str = ""  # failure class of every attempt


class Ask(Struct):
    """Parks until people have decided."""

    users: list[str] = []
    groups: list[str] = []
    count: int = 1
    not_submitter: bool = False
    due: datetime | None = None


async def _noop(_: Noop, __: Step) -> Answer:
    return Answer({})


async def _note(arguments: Note, step: Step) -> Answer:
    name = step.key.step if step.key.item < 0 else f"{step.key.step}.{step.key.item}"
    append(arguments.file, f"began {name} {step.attempt}")
    await asyncio.sleep(arguments.seconds)
    failed = step.attempt - 1
    if failed < len(arguments.fail):
        raise StepFailure(arguments.fail[failed], f"attempt {step.attempt} was told to fail")  # type: ignore[arg-type]
    if arguments.always:
        raise StepFailure(arguments.always, "told to fail")  # type: ignore[arg-type]
    append(arguments.file, f"ended {name} {step.attempt}")
    return Answer(
        {"value": arguments.value} if step.node.outputs else {},
        Amounts(tokens=arguments.tokens + arguments.more_tokens),
    )


async def _ask(arguments: Ask, step: Step) -> Answer | Park:
    waiting = Waiting(
        title=f"May {step.key.step} pass?",
        users=arguments.users,
        groups=arguments.groups,
        count=arguments.count,
        not_submitter=arguments.not_submitter,
        due=arguments.due,
    )
    end = outcome(waiting, step.decisions, submitter=step.run.started_by, now=step.now())
    if end is None:
        return Park(waiting)
    if end.kind != "approved":
        raise StepFailure("denied", f"{end.kind} by {', '.join(d.by for d in end.deciding) or 'nobody'}")
    return Answer({})


def append(path: str, line: str) -> None:
    """One line, whole, on the disk."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)


def _operator(name: str, arguments: type[Struct], run: Any) -> Operator:
    entry = OperatorEntry(name=name, summary=arguments.__doc__ or "", arguments={})
    return Operator(entry, arguments, run, estimate=lambda given: Amounts(tokens=getattr(given, "tokens", 0)))


OPERATORS = {
    "noop": _operator("noop", Noop, _noop),
    "note": _operator("note", Note, _note),
    "ask": _operator("ask", Ask, _ask),
}
