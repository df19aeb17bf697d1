"""Reviews in the terminal: when there is one, people are asked where they are."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from somagent.cli.evidence import approvals_so_far, evidence
from somagent.cli.exits import UserError
from somagent.cli.given import value_of
from somagent.cli.identity import acting, proof
from somagent.cli.printing import printable, visible
from somagent.cli.prompting import Idle, is_terminal, read_line_unless
from somagent.operators.answers import described, faults_of, given_by
from somagent.operators.deciding import objection, question_of
from somagent.operators.names import person
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Decision, Waiting
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.reading import opened
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import DecisionRefused, RunView, StepView
from somagent.workflows.identity import IdentityRefused, on_whose_word
from somagent.workflows.named_steps import Named, waiting_steps

_ANSWERS = {"a": True, "approve": True, "r": False, "reject": False}


async def ask_people(engine: OpenEngine, view: RunView, arguments: Namespace) -> bool:
    """Asks about each waiting step; True when something was decided, here or elsewhere, so that the run can go on."""
    if not is_terminal() or not isinstance(engine, LocalEngine):  # elsewhere, a run waits for people without this one
        return False
    try:
        who = acting(arguments)
    except IdentityRefused as refused:
        sys.stderr.write(f"\n? nobody is asked here: {visible(str(refused))}\n")
        return False
    decided = False
    for asked in waiting_steps(view):
        name, within, step = asked
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
        against = objection(step.waiting, decision, view.run.started_by)
        given = approvals(within, step)
        if person(decision.by) in map(person, given):
            against = f"you have approved; {step.waiting.count} approvals needed, {len(given)} given"
        if against:
            sys.stderr.write(f"\n? {printable(step.waiting.title)}  (step {name})\n  {visible(against)}\n")
            continue
        try:
            mine = who.name if decided else None
            news = _news(engine.store, within, step.waiting, mine=mine)
            said = await _ask(asked, view, engine.contents, arguments, news)
            outputs = await _ask_for(asked, news) if said is not None and said.approve else {}
        except Idle:
            sys.stderr.write("  decided or cancelled elsewhere, or the time to decide is over\n")
            return True
        if said is None or outputs is None:
            continue
        typed = replace(decision, approve=said.approve, comment=said.comment, outputs=outputs, at=datetime.now(UTC))
        try:
            await engine.signal(within.run.id, typed, token=proof(arguments))
        except DecisionRefused as refusal:
            sys.stderr.write(f"  {visible(str(refusal))}\n")
        else:
            decided = True
    return decided


def approvals(view: RunView, step: StepView) -> list[str]:
    """Who has approved what the step asks now."""
    return [one.by for one in approvals_so_far(view, step)]


class _Said(NamedTuple):
    """What somebody typed: whether to approve, and why."""

    approve: bool
    comment: str


async def _ask(
    asked: Named, top: RunView, contents: Contents, arguments: Namespace, news: Callable[[], bool]
) -> _Said | None:
    sys.stderr.write("\n" + "".join(f"{line}\n" for line in evidence(asked, top, contents, arguments)))
    while True:
        sys.stderr.write("  approve, reject or later? [a/r/L] ")
        sys.stderr.flush()
        answer, _, comment = (await read_line_unless(news) or "").partition(" ")
        if answer.lower() in {"", "l", "later"}:
            return None
        if answer.lower() in _ANSWERS:
            return _Said(_ANSWERS[answer.lower()], comment.strip())


async def _ask_for(asked: Named, news: Callable[[], bool]) -> dict[str, Any] | None:
    """The values that an approval must give and nobody gave before; None when somebody types nothing."""
    waiting, given = asked.step.waiting, {}
    if waiting is None:
        return {}
    agreed = given_by(approvals_so_far(asked.view, asked.step))
    for name, schema in waiting.outputs.items():
        while name not in agreed and name not in given:
            sys.stderr.write(f"  {name} ({printable(described(schema))}): ")
            sys.stderr.flush()
            typed = await read_line_unless(news)
            if not typed:
                return None
            try:
                value = value_of(name, typed, schema, waiting.types, option="")
                faults = list(faults_of(name, schema, waiting.types, value))
            except UserError as error:
                faults = [str(error)]
            if faults:
                sys.stderr.write(f"  {visible('; '.join(faults))}\n")
            else:
                given[name] = value
    return given


def _news(store: Store, view: RunView, waiting: Waiting, *, mine: str | None) -> Callable[[], bool]:
    """Whether something happened to the run since it was looked at; decisions that are `mine` are no news."""
    known = len([one for one in view.decisions if one.by != mine])
    top = view.run.id.partition(".")[0]

    def happened() -> bool:
        if waiting.due is not None and waiting.due <= datetime.now(UTC):
            return True
        with opened(store) as rows:
            others = len([one for one in rows.decisions(view.run.id) if one.by != mine])
            return others > known or rows.cancelled_by(top) is not None

    return happened
