"""What people were asked and what they decided: who, on whose word, when and why."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from somagent.operators.runner.records import NO_ITEM, Decision, StepKey, Waiting
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.engines.views import Inner, inner_runs
from somagent.workflows.report.icons import phase
from somagent.workflows.report.markup import Html, block, code, facts, join, said, table, tag
from somagent.workflows.report.timing import RunTimes, Timing, measure
from somagent.workflows.report.values import Shower
from somagent.workflows.report.words import counted, duration, listed, moment

_LEGEND = (
    "Identity: verified means that an identity provider vouches for the name; asserted means that the name is what"
    " the person said. Account: the operating system account that wrote the decision down."
)


def asked_steps(view: RunView) -> Iterator[StepView]:
    """Steps and items that people were asked about."""
    decided = {(decision.step, decision.item) for decision in view.decisions}
    for step in view.steps:
        for one in (step, *step.items):
            if one is step and step.items and one.waiting is None:
                continue
            if question(one) is not None or (one.id, one.item) in decided:
                yield one


class Asked(NamedTuple):
    """A step that people were asked about, by its name as the command line has it, and the run that it is of."""

    name: str
    view: RunView
    step: StepView


def all_asked(view: RunView) -> list[Asked]:
    """The same of the run and of all runs inside it."""
    runs = [Inner("", view), *inner_runs(view)]
    return [
        Asked(path_below(view.run.id, StepKey(one.view.run.id, step.id, step.item)), one.view, step)
        for one in runs
        for step in asked_steps(one.view)
    ]


def question(step: StepView) -> Waiting | None:
    """What people are or were last asked."""
    asked = [step.waiting, *(attempt.waiting for attempt in reversed(step.history))]
    return next((one for one in asked if one is not None and not one.child), None)  # inside, it is another step's


def reviews(view: RunView, times: RunTimes, shower: Shower) -> Html:
    """One card for each question; a sentence when nobody was asked."""
    found = all_asked(view)
    cards = []
    for one in found:
        own = times if one.view is view else measure(one.view, times.end)
        cards.append(_review(one, view, _timing(own, one.step), shower))
    if not cards:
        return tag("p", "Nobody had to be asked in this run.", class_="card note")
    return join([*cards, tag("p", _LEGEND, class_="note") if any(one.view.decisions for one in found) else ""])


def _timing(times: RunTimes, step: StepView) -> Timing:
    timing = times.steps[step.id]
    return timing if step.item == NO_ITEM or step.item >= len(timing.items) else timing.items[step.item]


def _review(asked_of: Asked, top: RunView, timing: Timing, shower: Shower) -> Html:
    name, view, step = asked_of
    asked = question(step)
    decisions = [d for d in view.decisions if (d.step, d.item) == (step.id, step.item)]
    name = name if view is not top or step.item == NO_ITEM else f"{step.id}, item {step.item}"
    waited = duration(timing.total("people"))
    parts: list[str] = [
        tag(
            "header",
            tag("h3", said(asked.title if asked else step.id, 300)),
            phase(step.phase),
        )
    ]
    if asked is not None:
        due = f"{moment(asked.due)}; without an answer by then: {asked.on_timeout}" if asked.due else "no time limit"
        parts.append(
            facts(
                [
                    ("Step", code(name)),
                    ("Who may decide", said(_who(asked), 1_000)),
                    ("Approvals needed", str(asked.count)),
                    ("Time limit", due),
                    ("Waited for people", waited),
                ]
            )
        )
        if asked.show:
            shown = [tag("div", shower.show(value), class_="shown") for value in asked.show]
            parts.append(tag("details", tag("summary", "What the reviewers were shown"), *shown))
    parts.append(_decisions(decisions))
    if step.phase == "Waiting":
        parts.append(_ways_on(asked_of, top))
    return tag("article", *parts, class_="card review")


def _who(asked: Waiting) -> str:
    able = [*asked.users, *(f"members of {group}" for group in asked.groups)]
    who = listed(able) if able else "anyone"
    return f"{who}, but not the person who started the run" if asked.not_submitter else who


def _decisions(decisions: Sequence[Decision]) -> Html:
    if not decisions:
        return tag("p", "No decision was written down.", class_="note")
    gave = any(one.outputs for one in decisions)
    rows = [
        tag(
            "tr",
            tag(
                "td", tag("b", "approved" if one.approve else "rejected", class_=f"p-{'ok' if one.approve else 'bad'}")
            ),
            tag("td", said(one.by, 200)),
            tag("td", said(", ".join(one.groups), 300) if one.groups else tag("span", "none", class_="note")),
            tag("td", said(f"verified by {one.issuer}", 300) if one.verified else "asserted"),
            tag("td", code(one.account) if one.account else tag("span", "unknown", class_="note")),
            tag("td", moment(one.at)),
            tag("td", block(one.comment) if one.comment else tag("span", "none", class_="note")),
            *(
                [tag("td", block(_given(one)) if one.outputs else tag("span", "nothing", class_="note"))]
                if gave
                else []
            ),
        )
        for one in decisions
    ]
    heads = ("Decision", "By", "Groups", "Identity", "Account", "When", "Comment", *(["Gave"] if gave else []))
    return table(counted(len(decisions), "decision"), heads, rows, "data decisions")


def _given(decision: Decision) -> str:
    """A line for each value that came with a decision."""
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in decision.outputs.items()
    )


def _ways_on(asked_of: Asked, top: RunView) -> Html:
    """The commands that decide, ready to be copied; names of others are quoted for the shell."""
    arguments = f"{shlex.quote(top.run.id)} {shlex.quote(asked_of.name)} --as NAME"
    return join([tag("p", "To go on, one of:"), block(f"somagent approve {arguments}\nsomagent reject {arguments}")])
