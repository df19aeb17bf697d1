"""Reviews in the terminal: when there is one, people are asked where they are."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from somagent.cli.identity import acting
from somagent.cli.inside import Named, steps_of
from somagent.cli.printing import printable, visible
from somagent.cli.prompting import Idle, is_terminal, read_line_unless
from somagent.cli.runs import data_directory
from somagent.operators.deciding import objection, question_of
from somagent.operators.names import person
from somagent.operators.runner.records import Decision, Waiting
from somagent.workflows.accounts import account
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.reading import opened
from somagent.workflows.engines.protocol import DecisionRefused, RunView, StepView
from somagent.workflows.identity import IdentityRefused, Person

_ANSWERS = {"a": True, "approve": True, "r": False, "reject": False}


async def ask_people(engine: LocalEngine, view: RunView, arguments: Namespace) -> bool:
    """Asks about each waiting step; True when something was decided, here or elsewhere, so that the run can go on."""
    if not is_terminal():
        return False
    try:
        who = acting(arguments)
    except IdentityRefused as refused:
        sys.stderr.write(f"\n? nobody is asked here: {visible(str(refused))}\n")
        return False
    decided = False
    for name, within, step in waiting_steps(view):
        if step.waiting is None:
            continue
        decision = Decision(
            step=step.id,
            item=step.item,
            **on_whose_word(who),
            question=question_of(step.waiting),
            approve=True,
            at=datetime.now(UTC),
        )
        against = objection(step.waiting, decision, view.run.submitter)
        given = approvals(within, step)
        if person(decision.by) in map(person, given):
            against = f"you have approved; {step.waiting.count} approvals needed, {len(given)} given"
        if against:
            sys.stderr.write(f"\n? {printable(step.waiting.title)}  (step {name})\n  {visible(against)}\n")
            continue
        try:
            mine = who.name if decided else None
            answer = await _ask(name, step.waiting, _news(data_directory(arguments), within, step.waiting, mine=mine))
        except Idle:
            sys.stderr.write("  decided or cancelled elsewhere, or the time to decide is over\n")
            return True
        if answer is None:
            continue
        try:
            await engine.signal(within.run.id, replace(decision, approve=answer, at=datetime.now(UTC)))
        except DecisionRefused as refusal:
            sys.stderr.write(f"  {visible(str(refusal))}\n")
        else:
            decided = True
    return decided


def on_whose_word(who: Person) -> dict[str, Any]:
    """What a decision of this person says of the person."""
    known = {"by": who.name, "groups": list(who.groups), "account": account()}
    return known | {"verified": bool(who.issuer), "issuer": who.issuer, "token": who.token}


def waiting_steps(view: RunView) -> list[Named]:
    """The steps and items that people are asked about, in the run and in those inside it."""
    return [
        one
        for one in steps_of(view)
        if one.step.phase == "Waiting" and one.step.waiting is not None and not one.step.waiting.child
    ]


def approvals(view: RunView, step: StepView) -> list[str]:
    """Who has approved what the step asks now."""
    asked, waiting = (step.id, step.item), step.waiting
    return [
        one.by
        for one in view.decisions
        if (one.step, one.item) == asked
        and one.approve
        and waiting is not None
        and not objection(waiting, one, view.run.submitter)
    ]


async def _ask(name: str, waiting: Waiting, news: Callable[[], bool]) -> bool | None:
    sys.stderr.write(f"\n? {printable(waiting.title)}  (step {name})\n")
    for value in waiting.show:
        sys.stderr.write(f"    {_shown(value)}\n")
    while True:
        sys.stderr.write("  approve, reject or later? [a/r/L] ")
        sys.stderr.flush()
        line = await read_line_unless(news)
        answer = (line or "").lower()
        if answer in {"", "l", "later"}:
            return None
        if answer in _ANSWERS:
            return _ANSWERS[answer]


def _news(directory: Path, view: RunView, waiting: Waiting, *, mine: str | None) -> Callable[[], bool]:
    """Whether something happened to the run since it was looked at; decisions that are `mine` are no news."""
    known = len([one for one in view.decisions if one.by != mine])
    top = view.run.id.partition(".")[0]

    def happened() -> bool:
        if waiting.due is not None and waiting.due <= datetime.now(UTC):
            return True
        with opened(directory) as rows:
            others = len([one for one in rows.decisions(view.run.id) if one.by != mine])
            return others > known or rows.cancelled_by(top) is not None

    return happened


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 400)
