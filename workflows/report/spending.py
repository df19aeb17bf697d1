"""What was allowed and what was spent: tokens, money and time."""

from __future__ import annotations

from datetime import timedelta

from somagent.capsule_compiler.plan import Amounts, Budget
from somagent.workflows.engines.protocol import RunView
from somagent.workflows.report.markup import Html, code, facts, row, said, table, tag
from somagent.workflows.report.timing import RunTimes, nodes_of
from somagent.workflows.report.words import counted, duration, money


def amounts(spent: Amounts, currency: str) -> str:
    """`1,200 tokens, 0.03 USD`; empty when nothing was spent."""
    words = [counted(spent.tokens, "token")] if spent.tokens else []
    return ", ".join([*words, money(spent.cost_micros, currency)] if spent.cost_micros else words)


def spending(view: RunView, times: RunTimes) -> Html:
    """The run's budget beside what was spent, and the steps that spent; empty when there is neither."""
    total = Amounts()
    for step in view.steps:
        total = total.plus(step.spent)
    budget = view.plan.budget
    nodes = nodes_of(view)
    currency = budget.currency if budget else ""
    spenders = [step for step in view.steps if step.spent != Amounts() or ((n := nodes.get(step.id)) and n.budget)]
    if budget is None and not spenders:
        return Html("")
    of = budget or Budget()
    limits = [
        ("Tokens", f"{total.tokens:,} of {of.tokens:,}" if of.tokens is not None else f"{total.tokens:,}, no limit"),
        ("Money", _money(total, of)),
        (
            "Time",
            f"{duration(times.end - times.start)} of {duration(timedelta(milliseconds=of.wall_clock_ms))}"
            if of.wall_clock_ms is not None
            else f"{duration(times.end - times.start)}, no limit",
        ),
    ]
    rows = []
    for step in spenders:
        node = nodes.get(step.id)
        limit = node.budget if node else None
        allowed = Amounts(
            tokens=(limit.tokens or 0) if limit else 0, cost_micros=(limit.cost_micros or 0) if limit else 0
        )
        rows.append(
            row(code(step.id, 80), amounts(step.spent, currency) or "nothing", amounts(allowed, currency) or "no limit")
        )
    heads = ("Step", "Spent", "Its own limit")
    return tag(
        "div",
        facts(limits),
        tag("ul", *(tag("li", said(warning, 400)) for warning in view.warnings)) if view.warnings else "",
        table("Steps that spent or have a limit", heads, rows, "data") if rows else "",
        class_="card",
    )


def _money(total: Amounts, budget: Budget) -> str:
    spent = money(total.cost_micros, budget.currency)
    return (
        f"{spent} of {money(budget.cost_micros, budget.currency)}"
        if budget.cost_micros is not None
        else f"{spent}, no limit"
    )
