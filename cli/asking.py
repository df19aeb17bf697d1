"""Reviews in the terminal: when there is one, people are asked where they are."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from somagent.cli.printing import printable
from somagent.operators.deciding import objection
from somagent.operators.runner.records import NO_ITEM, Decision, Waiting
from somagent.workflows.accounts import account
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.protocol import DecisionRefused, RunView, StepView

_ANSWERS = {"a": True, "approve": True, "r": False, "reject": False}


async def ask_people(engine: LocalEngine, view: RunView) -> bool:
    """Asks about each waiting step; True when something was decided, so that the run can go on."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    decided = False
    for step in waiting_steps(view):
        if step.waiting is None:
            continue
        decision = Decision(
            step=step.id, item=step.item, by=account(), account=account(), approve=True, at=datetime.now(UTC)
        )
        if against := objection(step.waiting, decision, view.run.submitter):
            sys.stderr.write(f"\n? {printable(step.waiting.title)}  (step {step_name(step)})\n  {against}\n")
            continue
        answer = await _ask(step_name(step), step.waiting)
        if answer is None:
            continue
        try:
            await engine.signal(view.run.id, replace(decision, approve=answer, at=datetime.now(UTC)))
        except DecisionRefused as refusal:
            sys.stderr.write(f"  {refusal}\n")
        else:
            decided = True
    return decided


def waiting_steps(view: RunView) -> list[StepView]:
    """The steps and items that wait for people."""
    flat = [one for step in view.steps for one in ([step] if step.item != NO_ITEM or not step.items else step.items)]
    return [one for one in flat if one.phase == "Waiting" and one.waiting is not None]


def step_name(step: StepView) -> str:
    """STEP, or STEP/ITEM, as `approve` takes it."""
    return step.id if step.item == NO_ITEM else f"{step.id}/{step.item}"


async def _ask(name: str, waiting: Waiting) -> bool | None:
    sys.stderr.write(f"\n? {printable(waiting.title)}  (step {name})\n")
    for value in waiting.show:
        sys.stderr.write(f"    {_shown(value)}\n")
    while True:
        answer = await answer_to("  approve, reject or later? [a/r/L] ")
        if answer in {None, "", "l", "later"}:
            return None
        if answer in _ANSWERS:
            return _ANSWERS[answer]


async def answer_to(question: str) -> str | None:
    """What is typed, in small letters; None at the end of input. It can be cancelled, unlike a thread that reads."""
    sys.stderr.write(question)
    sys.stderr.flush()
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    except asyncio.CancelledError:
        sys.stderr.write("\n")
        raise
    finally:
        loop.remove_reader(sys.stdin)
    line = sys.stdin.readline()  # a terminal hands over whole lines, so this does not wait
    return line.strip().lower() if line else None


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 400)
