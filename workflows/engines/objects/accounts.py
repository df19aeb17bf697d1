"""Budgets of a run and of all runs inside it, as a numbered log of states: who creates the next number has reserved.

What an attempt reserved turns into what it spent by the end of the attempt, which is one object. So nothing need be
written here when it ends: whoever wants to know looks whether the attempts that have something reserved have ended.
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Amounts
from somagent.operators.runner.ledger import Account, BudgetExceeded, Exceeded, exceeded
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.attempts import Attempts, at_once
from somagent.workflows.engines.objects.bucket import Bucket

_MANY = 64  # reservations that are looked through for ended ones, so that a state stays small


class Reservation(Struct, frozen=True):
    """What one attempt may spend, in each of these accounts."""

    key: StepKey
    attempt: int
    amounts: Amounts
    accounts: list[str]


class Book(Struct, frozen=True):
    """All accounts at one moment."""

    spent: Annotated[dict[str, Amounts], Meta(description="Settled, by account")] = {}
    reserved: list[Reservation] = []
    writer: Annotated[str, Meta(description="Unlike any other; tells one's own state from that of somebody else")] = ""

    def used(self, account: str, but: StepKey) -> Amounts:
        """What is spent and set aside in the account, by all but this one."""
        total = self.spent.get(account, Amounts())
        for one in self.reserved:
            if account in one.accounts and one.key != but:
                total = total.plus(one.amounts)
        return total


class Accounts:
    """The books of a run and those inside it; `root` is the run that is inside no other one."""

    def __init__(self, bucket: Bucket, attempts: Attempts, root: str) -> None:
        self._bucket, self._attempts, self._root = bucket, attempts, root
        self._number, self._book = 0, Book()

    async def reserve(
        self, key: StepKey, amounts: Amounts, accounts: Sequence[Account], beyond: Container[str]
    ) -> list[Exceeded]:
        """As `Ledger.reserve`, for the attempt at the key that is open."""
        while True:
            await self._read()
            book = self._book
            limited = any(
                account.budget.tokens is not None or account.budget.cost_micros is not None for account in accounts
            )
            if limited or len(book.reserved) >= _MANY or any(one.key == key for one in book.reserved):
                book = await self._settled(book)
            over = _over(book, key, amounts, accounts)
            refused = [one for one in over if one.on_exceed != "warn" and one.budget not in beyond]
            if refused:
                raise BudgetExceeded(refused)
            number = len(await self._attempts.ends(key)) + 1
            own = Reservation(key, number, amounts, [_name(account) for account in accounts])
            if await self._write(replace(book, reserved=[*(one for one in book.reserved if one.key != key), own])):
                return over

    async def spent_in(self, run_id: str) -> Amounts:
        """What ended attempts have spent in the run and in those inside it."""
        await self._read()
        book = await self._settled(self._book)
        return book.spent.get(f"{run_id} run", Amounts())

    async def _settled(self, book: Book) -> Book:
        ends = await at_once([self._attempts.ends(one.key) for one in book.reserved])
        spent, left = dict(book.spent), []
        for one, ended in zip(book.reserved, ends, strict=True):
            if len(ended) < one.attempt:
                left.append(one)
                continue
            closed = ended[one.attempt - 1].attempt
            for account in one.accounts if closed is not None else ():
                spent[account] = spent.get(account, Amounts()).plus(closed.spent if closed is not None else Amounts())
        return replace(book, spent=spent, reserved=left)

    async def _read(self) -> None:
        if self._number == 0:  # a process that is new to the run does not read what has been overtaken
            listed = await self._bucket.names(names.budget_folder(self._root))
            self._number = max((int(name.rpartition("/")[2]) for name in listed), default=1) - 1
        while (content := await self._bucket.read(names.budget(self._root, self._number + 1))) is not None:
            self._number, self._book = self._number + 1, _decode(content)

    async def _write(self, book: Book) -> bool:
        mine = _encode(replace(book, writer=os.urandom(12).hex()))
        stands = await self._bucket.claim(names.budget(self._root, self._number + 1), mine)
        self._number, self._book = self._number + 1, _decode(stands)
        return stands == mine


def _over(book: Book, key: StepKey, amounts: Amounts, accounts: Sequence[Account]) -> list[Exceeded]:
    return [one for account in accounts for one in exceeded(account, book.used(_name(account), key), amounts, key.step)]


def _name(account: Account) -> str:
    return f"{account.owner} {account.name}"


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Book).decode
