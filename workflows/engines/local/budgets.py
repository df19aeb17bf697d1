"""What is set aside and what is spent under each budget, as rows; checked and changed in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from somagent.capsule_compiler.plan import Amounts, Budget
from somagent.operators.runner.ledger import BudgetExceeded
from somagent.operators.runner.records import StepKey

_USED = """
    SELECT coalesce(sum(spent_tokens + CASE WHEN step = ? AND item = ? THEN 0 ELSE reserved_tokens END), 0),
           coalesce(sum(spent_cost + CASE WHEN step = ? AND item = ? THEN 0 ELSE reserved_cost END), 0)
    FROM budgets WHERE run = ? AND budget = ?
"""


def reserve(db: sqlite3.Connection, key: StepKey, amounts: Amounts, budgets: Sequence[tuple[str, Budget]]) -> None:
    """Sets amounts aside under every budget, or raises `BudgetExceeded` and changes nothing; nothing always fits."""
    for name, budget in budgets:
        tokens, cost = db.execute(_USED, (key.step, key.item, key.step, key.item, key.run, name)).fetchone()
        for limit, used, asked, shown in (
            (budget.tokens, tokens, amounts.tokens, "{} tokens".format),
            (budget.cost_micros, cost, amounts.cost_micros, partial(_money, budget.currency)),
        ):
            if limit is not None and asked and used + asked > limit:
                raise BudgetExceeded(
                    f"budget `{name}` allows {shown(limit)}, used so far: {shown(used)}; "
                    f"`{key.step}` asked for {shown(asked)}"
                )
    for name, _ in budgets:
        db.execute(
            "INSERT INTO budgets VALUES (?, ?, ?, ?, 1, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET open = 1, "
            "reserved_tokens = excluded.reserved_tokens, reserved_cost = excluded.reserved_cost",
            (*key, name, amounts.tokens, amounts.cost_micros),
        )


def settle(db: sqlite3.Connection, key: StepKey, spent: Amounts) -> None:
    """Replaces what the key has reserved by what it spent, under every budget that it reserved in."""
    db.execute(
        "UPDATE budgets SET open = 0, reserved_tokens = 0, reserved_cost = 0, spent_tokens = spent_tokens + ?, "
        "spent_cost = spent_cost + ? WHERE run = ? AND step = ? AND item = ? AND open",
        (spent.tokens, spent.cost_micros, *key),
    )


def _money(currency: str, micros: int) -> str:
    cents, rest = divmod(micros, 10_000)
    return f"{cents // 100}.{cents % 100:02d}{f'{rest:04d}'.rstrip('0')} {currency}".rstrip()
