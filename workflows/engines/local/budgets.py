"""What is set aside and what is spent under each budget, as rows; checked and changed in one transaction."""

from __future__ import annotations

from collections.abc import Container, Sequence

from somagent.capsule_compiler.plan import Amounts
from somagent.operators.runner.ledger import Account, BudgetExceeded, Exceeded, exceeded
from somagent.operators.runner.records import StepKey
from somagent.workflows.engines.local.store import Db


def reserve(
    db: Db, key: StepKey, amounts: Amounts, accounts: Sequence[Account], beyond: Container[str]
) -> list[Exceeded]:
    """Sets amounts aside in every account; those it goes beyond, as it may.

    Raises `BudgetExceeded` and changes nothing when one has no room, does not only warn, and is not in `beyond`.
    Nothing always fits.
    """
    over = [one for account in accounts for one in _exceeded(db, key, amounts, account)]
    refused = [one for one in over if one.on_exceed != "warn" and one.budget not in beyond]
    if refused:
        raise BudgetExceeded(refused)
    _close(db, key, Amounts())
    for account in accounts:
        row = (account.owner, account.name)
        db.execute("INSERT INTO accounts (owner, budget) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
        db.execute(
            "UPDATE accounts SET reserved_tokens = reserved_tokens + ?, reserved_cost = reserved_cost + ? "
            "WHERE owner = ? AND budget = ?",
            (amounts.tokens, amounts.cost_micros, *row),
        )
        insert = "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?)"
        db.execute(insert, (*key, *row, amounts.tokens, amounts.cost_micros))
    return over


def settle(db: Db, key: StepKey, spent: Amounts) -> None:
    """Replaces what the key has reserved by what it spent, in every account in which it reserved."""
    _close(db, key, spent)


def spent_in(db: Db, run_id: str) -> Amounts:
    """What has been settled in the run and in the runs of its capsules."""
    query = "SELECT spent_tokens, spent_cost FROM accounts WHERE owner = ? AND budget = 'run'"
    tokens, cost = db.execute(query, (run_id,)).fetchone() or (0, 0)
    return Amounts(tokens=tokens, cost_micros=cost)


def spent_until(db: Db, key: StepKey) -> Amounts:
    """What the run had spent when this was first asked for the step."""
    spent = spent_in(db, key.run)
    insert = "INSERT INTO spends VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    db.execute(insert, (key.run, key.step, spent.tokens, spent.cost_micros))
    tokens, cost = db.execute("SELECT tokens, cost FROM spends WHERE run = ? AND step = ?", key[:2]).fetchone()
    return Amounts(tokens=tokens, cost_micros=cost)


def _close(db: Db, key: StepKey, spent: Amounts) -> None:
    query = "SELECT tokens, cost, owner, budget FROM reservations WHERE run = ? AND step = ? AND item = ?"
    rows = db.execute(query, key).fetchall()
    for tokens, cost, owner, budget in rows:
        db.execute(
            "UPDATE accounts SET reserved_tokens = reserved_tokens - ?, reserved_cost = reserved_cost - ?, "
            "spent_tokens = spent_tokens + ?, spent_cost = spent_cost + ? WHERE owner = ? AND budget = ?",
            (tokens, cost, spent.tokens, spent.cost_micros, owner, budget),
        )
    if rows:
        db.execute("DELETE FROM reservations WHERE run = ? AND step = ? AND item = ?", key)


def _exceeded(db: Db, key: StepKey, amounts: Amounts, account: Account) -> list[Exceeded]:
    row = (account.owner, account.name)
    query = (
        "SELECT reserved_tokens + spent_tokens, reserved_cost + spent_cost FROM accounts WHERE owner = ? AND budget = ?"
    )
    tokens, cost = db.execute(query, row).fetchone() or (0, 0)
    own = "SELECT tokens, cost FROM reservations WHERE run = ? AND step = ? AND item = ? AND owner = ? AND budget = ?"
    own_tokens, own_cost = db.execute(own, (*key, *row)).fetchone() or (0, 0)
    used = Amounts(tokens=tokens - own_tokens, cost_micros=cost - own_cost)
    return exceeded(account, used, amounts, key.step)
