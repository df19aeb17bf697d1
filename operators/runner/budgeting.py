"""What a step may spend, before it spends it: tokens and money are set aside, time at work is counted.

Every attempt is held against the budgets of its run, its step (of a fan-out: its item, and all items together) and,
inside a capsule that another one uses, of every step and run above it. `stop` fails the attempt, `ask` parks it for
people, whose approval is for this one attempt, and `warn` lets it go on and writes it down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from somagent.capsule_compiler.model.quantities import show_duration
from somagent.capsule_compiler.plan import Amounts, Budget, Node, Plan
from somagent.operators.deciding import outcome, question_of, rejection
from somagent.operators.operator import StepFailure
from somagent.operators.runner.ledger import Account, BudgetExceeded, Exceeded, Ledger
from somagent.operators.runner.records import NO_ITEM, Attempt, Decision, Parent, RunRecord, StepKey, Waiting

NOTHING = Amounts()
_UNLIMITED = Budget()


class Ask(NamedTuple):
    """Whose attempt it is, and what people said so far."""

    attempt: Attempt
    node: Node
    plan: Plan
    run: RunRecord
    ledger: Ledger
    decisions: Sequence[Decision]
    now: datetime
    final: bool


class Leave(NamedTuple):
    """The attempt may go on; `warnings` are the limits that it goes beyond, `left` its time under a step's budget."""

    warnings: list[str]
    reserved: bool
    left: timedelta | None
    limit: str  # the budget that gives `left`, as a sentence


FREE = Leave([], reserved=False, left=None, limit="")
"""For an attempt that sets nothing aside and whose time nobody limits."""


def counts_time(node: Node, plan: Plan) -> bool:
    """Whether a budget limits the time of the step."""
    budgets = (node.budget, node.total_budget, plan.budget)
    return any(budget is not None and budget.wall_clock_ms is not None for budget in budgets)


async def leave_to_spend(asked: Ask, amounts: Amounts) -> Leave | Waiting:
    """Sets the amounts aside; or what people are asked. Raises `StepFailure`, class `budget`."""
    beyond = _approved(asked)
    times = await _times(asked)
    left, limit = None, ""
    over: list[Exceeded] = []
    for account, used, allowed in times:
        if account.budget.on_exceed == "stop":
            if left is None or allowed - used < left:
                left, limit = max(allowed - used, timedelta()), used_up(account)
        elif used >= allowed:
            shown = [show_duration(round(time / timedelta(milliseconds=1))) for time in (allowed, used)]
            label = f"{account.label} wallClock"
            over.append(Exceeded(label, account.budget.on_exceed, shown[0], shown[1], "", asked.attempt.key.step))
    if left is not None and not left and not await _has_to_end(asked):
        raise StepFailure("budget", limit)
    refused = [one for one in over if one.on_exceed == "ask" and one.budget not in beyond]
    reserved = False
    if not refused and amounts != NOTHING:
        accounts = await accounts_of(asked.attempt.key, asked.node, asked.plan, asked.run, asked.ledger)
        try:
            over += await asked.ledger.reserve(asked.attempt.key, amounts, accounts, beyond)
            reserved = True
        except BudgetExceeded as fault:
            if any(one.on_exceed == "stop" for one in fault.exceeded):
                raise StepFailure("budget", str(fault)) from None
            refused = list(fault.exceeded)
    if refused:
        return _question(asked.attempt, refused)
    warnings = [f"{one} ({'approved' if one.on_exceed == 'ask' else one.on_exceed})" for one in over]
    return Leave(warnings, reserved, left, limit)


async def accounts_of(key: StepKey, node: Node, plan: Plan, run: RunRecord, ledger: Ledger) -> list[Account]:
    """Every account that the step books in: its own run's always, a budget's only where there is one."""
    return [
        Account(run.id, "run", "run", plan.budget or _UNLIMITED),
        *step_accounts(key, node),
        *await _above(run, ledger),
    ]


def time_at_work(attempts: Iterable[Attempt], now: datetime) -> timedelta:
    """The time in which at least one of the attempts was at work; several at once count once."""
    used, until = timedelta(), datetime.min.replace(tzinfo=UTC)
    for start, end in sorted((attempt.started_at, attempt.ended_at or now) for attempt in attempts):
        used += max(end - max(start, until), timedelta())
        until = max(until, end)
    return used


def before(attempts: Iterable[Attempt], at: datetime) -> list[Attempt]:
    """The attempts that had begun by then, each until then at most."""
    return [replace(one, ended_at=min(one.ended_at or at, at)) for one in attempts if one.started_at < at]


def step_accounts(key: StepKey, node: Node, above: str = "") -> list[Account]:
    """The step's own; `above` is the run's id in a label when it is not the run itself that is asked for."""
    own = key.step if key.item == NO_ITEM else f"{key.step}/{key.item}"
    named = ((own, node.budget), (f"{key.step}/*", node.total_budget))
    return [Account(key.run, name, above + name, budget) for name, budget in named if budget is not None]


async def _above(run: RunRecord, ledger: Ledger) -> list[Account]:
    """The accounts of the runs that this one is a part of; they do not change, so they are worked out once."""
    if run.parent is None:
        return []
    key = ("accounts", run.id)
    found: list[Account] | None = ledger.contents.remembered.get(key)
    if found is None:
        found = []
        parent: Parent | None = run.parent
        while parent is not None:
            upper, plan = await ledger.run(parent.run), await ledger.plan(parent.run)
            found.append(Account(upper.id, "run", upper.id, plan.budget or _UNLIMITED))
            step = StepKey(upper.id, parent.step, parent.item)
            found += step_accounts(step, plan.node(parent.step), f"{upper.id}/")
            parent = upper.parent
        ledger.contents.remembered.put(key, found, 256 * len(found))
    return found


async def _times(asked: Ask) -> list[tuple[Account, timedelta, timedelta]]:
    """Each of its own limits of time with what was used when the attempt began: who ends it weighs as who began it.

    The limit of the run as a whole stops it from outside.
    """
    key = asked.attempt.key
    run = Account(key.run, "run", "run", asked.plan.budget or _UNLIMITED)
    accounts = step_accounts(key, asked.node)
    if run.budget.on_exceed != "stop" and not asked.final:
        accounts.append(run)
    found = []
    for account in accounts:
        limit = account.budget.wall_clock_ms
        if limit is not None:
            work = await (asked.ledger.work(key.run) if account is run else work_under(account, key, asked.ledger))
            used = time_at_work(before(work, asked.attempt.started_at), asked.now)
            found.append((account, used, timedelta(milliseconds=limit)))
    return found


async def work_under(account: Account, key: StepKey, ledger: Ledger) -> Sequence[Attempt]:
    """What counts in one of the step's own budgets of time."""
    return await ledger.work(key.run, key.step, None if account.name.endswith("/*") else key.item)


def used_up(account: Account) -> str:
    return f"budget `{account.label}` of wallClock {show_duration(account.budget.wall_clock_ms or 0)} is used up"


async def _has_to_end(asked: Ask) -> bool:
    """Whether the step has begun a run of its capsule: that ends in its own way, also when there is no time left."""
    return bool(asked.node.capsule) and await asked.ledger.is_open_inside(asked.attempt.key)


def _approved(asked: Ask) -> frozenset[str]:
    """The budgets that people let this attempt go beyond; raises `StepFailure` when they do not."""
    question = asked.attempt.asked
    if question is None or not question.budgets:
        return frozenset()
    digest = question_of(question)
    own = [decision for decision in asked.decisions if decision.question == digest]
    end = outcome(question, own, submitter=asked.run.started_by, now=asked.now)
    if end is None:
        return frozenset()
    if end.kind == "rejected":
        raise StepFailure("budget", f"{rejection(end.deciding[0])}; {question.show[-1]}")
    return frozenset(question.budgets)


def _question(attempt: Attempt, refused: Sequence[Exceeded]) -> Waiting:
    """The number of the attempt makes it another question than that of an earlier one about the same amounts."""
    name = str(attempt.key).partition("/")[2]
    budgets = list(dict.fromkeys(one.budget for one in refused))
    return Waiting(
        title=f"May step `{name}` go beyond the budget {' and '.join(f'`{budget}`' for budget in budgets)}?",
        show=[
            *(
                {"budget": one.budget, "limit": one.limit, "spent": one.used, "wanted": one.asked or "to go on"}
                for one in refused
            ),
            f"attempt {attempt.number}: {'; '.join(map(str, refused))}",
        ],
        budgets=budgets,
    )
