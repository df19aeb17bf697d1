"""The narrow protocol through which the step runner knows and records everything.

The engine carries order, the ledger carries data: no value travels through an engine's parameters. Implementations:
the local engine's journal (`somagent.workflows.engines.local`).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from somagent.capsule_compiler.model.quantities import Money, show_money
from somagent.capsule_compiler.plan import Amounts, Budget, Plan
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import Attempt, Decision, RunRecord, StepKey, StepResult


class AttemptHeld(Exception):
    """Somebody else is at work on this step; two attempts at once are refused."""


class Account(NamedTuple):
    """Where amounts are set aside and booked: under a budget of the run `owner`, the step's own or one above it."""

    owner: str
    name: str  # `run`, STEP, STEP/ITEM, or STEP/* for all items
    label: str  # as people are told, and unlike any other of the step
    budget: Budget


class Exceeded(NamedTuple):
    """A limit that a reservation goes beyond, each amount in words."""

    budget: str
    on_exceed: str
    limit: str
    used: str
    asked: str
    by: str

    def __str__(self) -> str:
        """A sentence without a full stop."""
        more = f"; `{self.by}` asked for {self.asked}" if self.asked else ""
        return f"budget `{self.budget}` allows {self.limit}, used so far: {self.used}{more}"


def exceeded(account: Account, used: Amounts, asked: Amounts, by: str) -> list[Exceeded]:
    """The limits of the account that `asked` goes beyond when `used` is taken already; nothing always fits."""
    budget = account.budget
    found = []
    for limit, before, more, shown in (
        (budget.tokens, used.tokens, asked.tokens, "{} tokens".format),
        (
            budget.cost_micros,
            used.cost_micros,
            asked.cost_micros,
            lambda micros: show_money(Money(micros, budget.currency)),
        ),
    ):
        if limit is not None and more and before + more > limit:
            found.append(
                Exceeded(
                    budget=account.label,
                    on_exceed=budget.on_exceed,
                    limit=shown(limit),
                    used=shown(before),
                    asked=shown(more),
                    by=by,
                )
            )
    return found


class BudgetExceeded(Exception):
    """The reservation does not fit what is left; `exceeded` has every limit that is in the way."""

    def __init__(self, exceeded: Sequence[Exceeded]) -> None:
        super().__init__("; ".join(map(str, exceeded)))
        self.exceeded = tuple(exceeded)


class Records(Protocol):
    """What expressions read of a run."""

    @property
    def contents(self) -> Contents:
        """Where large values and artifacts are."""
        ...

    async def result(self, key: StepKey) -> StepResult | None:
        """The recorded result, if there is one. For a fan-out step, NO_ITEM is the step as a whole."""
        ...

    async def item_results(self, run_id: str, step: str) -> Sequence[StepResult]:
        """The recorded results of a fan-out step's items, in the order of the items."""
        ...

    async def started_at(self, run_id: str) -> datetime | None:
        """When the run was first worked on; None when it has not been."""
        ...

    async def spent_until(self, key: StepKey) -> Amounts:
        """What the run had spent when it was first asked for this step; from then on always the same answer."""
        ...


class Ledger(Records, Protocol):
    """Reads and records of runs. Every write has been made durable when its call returns."""

    async def run(self, run_id: str) -> RunRecord:
        """The run; raises `KeyError`."""
        ...

    async def plan(self, run_id: str) -> Plan:
        """The plan that the run started with."""
        ...

    async def decisions(self, key: StepKey) -> Sequence[Decision]:
        """People's decisions on the step, oldest first."""
        ...

    async def begin(self, key: StepKey, at: datetime) -> Attempt | StepResult:
        """Opens the next attempt and takes its lease; or the recorded result, when there is one.

        The attempt knows its predecessors: `failed_before` counts those that failed, and `asked` is what the last one
        that parked asked people, so that its due date stays.
        Raises `AttemptHeld` when another process is at work on the key. An attempt's beginning outlives the process;
        unlike everything else it may be lost when the machine fails, until the next write is durable.
        """
        ...

    async def end(self, attempt: Attempt) -> None:
        """Closes an attempt that leaves no result: it failed and may be tried again, or it waits for people.

        In the same transaction the key's reservation, if it has one, turns into what the attempt spent; what several
        attempts spent adds up. So it is when `record` closes an attempt.
        """
        ...

    async def record(self, attempt: Attempt | None, result: StepResult) -> StepResult:
        """Closes the attempt (if the step had one) and records the result, in one transaction.

        The first result of a key stays for ever: when there is one already, that one is returned.
        """
        ...

    async def attempts(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        """All attempts of the run, of one step and its items, or of one item, in the order of their starts."""
        ...

    async def work(self, run_id: str, step: str = "", item: int | None = None) -> Sequence[Attempt]:
        """The attempts that say when something was at work there; those of a step that is a capsule may not."""
        ...

    async def is_open_inside(self, key: StepKey) -> bool:
        """Whether a run of the step's capsule has begun and not ended."""
        ...

    async def reserve(
        self, key: StepKey, amounts: Amounts, accounts: Sequence[Account], beyond: Container[str] = ()
    ) -> Sequence[Exceeded]:
        """Sets `amounts` aside in each account before they are spent, in all or in none.

        Reserving again under the same key replaces what was reserved. Returns the limits that it goes beyond, because
        they only warn or because their label is in `beyond`; raises `BudgetExceeded` for all others.
        """
        ...
