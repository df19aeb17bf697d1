"""Every step with all that is written down about it: what it answered, each attempt, its verdict and its reasons."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from somagent.capsule_compiler.plan import Node
from somagent.governance.verdict import Verdict
from somagent.operators.runner.artifacts import with_artifacts
from somagent.operators.runner.records import Attempt
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.views import items_words
from somagent.workflows.report.icons import effect, phase
from somagent.workflows.report.markup import Html, block, code, facts, join, row, said, table, tag, tall
from somagent.workflows.report.spending import amounts
from somagent.workflows.report.timing import RunTimes, Timing, nodes_of
from somagent.workflows.report.values import Shower, compact
from somagent.workflows.report.words import counted, duration, listed, moment

_OUTPUTS = 20
_ITEMS = 1_000
_MANY = 300  # steps; of more, each answer is one line


class _Show(Struct, frozen=True):
    """How this run's answers are shown."""

    values: Shower
    brief: bool
    currency: str


def steps(view: RunView, times: RunTimes, shower: Shower, anchor: str = "") -> Html:
    """One fold for each step, in the order of the plan; `anchor` begins the names of their places on the page."""
    nodes = nodes_of(view)
    outputs = _Show(
        shower, brief=len(view.steps) > _MANY, currency=view.plan.budget.currency if view.plan.budget else ""
    )
    folds = [
        _step(f"{anchor}s{number}", step, nodes.get(step.id), times.steps[step.id], outputs)
        for number, step in enumerate(view.steps)
    ]
    return tall(tag("div", *folds, class_="card folds"), len(folds), "Steps")


def reasons(verdict: Verdict) -> Html:
    """Why a verdict is what it is, rule by rule."""
    lines: list[Html] = []
    for number, because in enumerate(verdict.because):
        rule = verdict.rules[number] if number < len(verdict.rules) else ""
        lines.append(tag("li", code(rule) if rule else "", ": " if rule else "", said(because)))
    lines += [
        tag("li", code(match.rule), f" ({match.effect}, did not decide): ", said(match.because))
        for match in verdict.also
    ]
    return tag("ul", *lines, class_="reasons") if lines else Html("")


def _step(anchor: str, step: StepView, node: Node | None, timing: Timing, show: _Show) -> Html:
    took = duration(timing.total("run")) if step.attempts else ""
    many = items_words((item.phase for item in step.items), len(step.items)) if step.items else ""
    tries = counted(step.attempts, "attempt") if step.attempts > 1 and not step.items else ""
    summary = tag(
        "summary",
        code(step.id, 80),
        tag("span", " · ".join(filter(None, (step.operator, many, took, tries))), class_="note"),
        phase(step.phase),
    )
    inside: list[str] = []
    if step.failure is not None:
        inside.append(tag("div", block(f"{step.failure.failure_class}: {step.failure.message}", 1_000), class_="why"))
    inside.append(facts(_facts(step, node, show.currency)))
    if step.verdict is not None and step.verdict.because:
        inside.append(reasons(step.verdict))
    if step.outputs:
        inside.append(_outputs(step, node, show))
    if len(step.history) > 1 or any(attempt.phase != step.phase for attempt in step.history):
        inside.append(_attempts(step.history))
    if step.items:
        inside.append(_items(step))
    return tag("details", summary, tag("div", *inside, id=anchor, class_="inside"))


def _facts(step: StepView, node: Node | None, currency: str) -> Iterator[tuple[str, str]]:
    if node is not None:
        for kind, words in (("data", "Reads from"), ("order", "Comes after")):
            names = [edge.step for edge in node.needs if edge.kind == kind]
            yield words, said(listed(names), 400) if names else ""
        yield "Runs only if", code(node.guard, 400) if node.guard else ""
        yield "Requires", code(node.require, 400) if node.require else ""
    yield "Started", moment(step.started_at) if step.started_at else ""
    yield "Ended", moment(step.ended_at) if step.ended_at else ""
    yield "Verdict", effect(step.verdict) if step.verdict else ""
    yield "Spent", amounts(step.spent, currency)
    yield "Beyond the budget", said("; ".join(step.warnings), 1_000) if step.warnings else ""


def _outputs(step: StepView, node: Node | None, show: _Show) -> Html:
    shown = dict(list(step.outputs.items())[:_OUTPUTS])
    if not show.brief:
        shown = with_artifacts(show.values.stored.values(shown), node.outputs if node is not None else {})
    left = len(step.outputs) - len(shown)
    values = [(name[:80], compact(value) if show.brief else show.values.show(value)) for name, value in shown.items()]
    more = tag("p", f"and {counted(left, 'more output')}", class_="note") if left else ""
    return join([tag("p", "What it answered", class_="label"), facts(values, "terms"), more])


def _attempts(history: list[Attempt]) -> Html:
    rows = []
    for attempt in history:
        ended = attempt.ended_at
        why = f"{attempt.failure.failure_class}: {attempt.failure.message}" if attempt.failure else ""
        if attempt.waiting is not None:
            why = f"asked people: {attempt.waiting.title}"
        then = f"next try at {moment(attempt.retry_at)}" if attempt.retry_at else ""
        rows.append(
            row(
                str(attempt.number),
                phase(attempt.phase),
                moment(attempt.started_at),
                duration(ended - attempt.started_at) if ended else "not ended",
                effect(attempt.verdict) if attempt.verdict else "",
                join([said(why, 400), tag("span", f" {then}", class_="note") if then else ""]),
            )
        )
    heads = ("Attempt", "Ended as", "Started", "Took", "Verdict on the step", "Why")
    return table(counted(len(history), "attempt"), heads, rows, "data tight")


def _items(step: StepView) -> Html:
    rows = []
    for item in step.items[:_ITEMS]:
        took = duration(item.ended_at - item.started_at) if item.ended_at and item.started_at else ""
        why = f"{item.failure.failure_class}: {item.failure.message}" if item.failure else ""
        rows.append(
            row(
                str(item.item),
                phase(item.phase),
                took,
                str(item.attempts),
                said(why, 300) if why else compact(item.outputs, 160) if item.outputs else "",
            )
        )
    left = len(step.items) - len(rows)
    note = tag("p", f"and {counted(left, 'more item')}; the evidence has all", class_="note") if left else ""
    heads = ("Item", "Ended as", "Took", "Attempts", "Why, or what it answered")
    return join([table(f"{counted(len(step.items), 'item')}, counted from 0", heads, rows, "data tight"), note])
