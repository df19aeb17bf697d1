"""The metrics by name: what is counted and what is measured."""

from __future__ import annotations

SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900, 3_600, 14_400, 86_400, 604_800)
"""Borders of the histograms: from a commit of the journal to a week of waiting."""

COUNTERS = (
    ("somagent.runs", "{run}", "Runs that ended"),
    ("somagent.steps", "{step}", "Steps that ended"),
    ("somagent.items", "{item}", "Items of fan-outs that ended"),
    ("somagent.attempts", "{attempt}", "Attempts that ended"),
    ("somagent.tokens", "{token}", "Tokens that attempts spent"),
    ("somagent.cost", "{currency}", "Money that attempts spent, in units of `somagent.currency`"),
    ("somagent.lease.takeovers", "{takeover}", "Times that work was taken over from a process that died or stalled"),
)

HISTOGRAMS = (
    ("somagent.run.duration", "From the first work on a run to its end"),
    ("somagent.run.claim.duration", "From the submission of a run to the first work on it"),
    ("somagent.step.duration", "From a step's first attempt to its end"),
    ("somagent.step.queue.duration", "From the end of all that a step needs to its first attempt"),
    ("somagent.item.duration", "From an item's first attempt to its end"),
    ("somagent.attempt.duration", "Duration of an attempt"),
    ("somagent.gate.wait.duration", "From a question to people to what came of it"),
    ("somagent.journal.commit.duration", "Duration of a commit of the journal"),
)

GATES_WAITING = ("somagent.gates.waiting", "Questions to people that nobody has answered yet")
