"""The rules that make a run come out the same on every engine: what is omitted, how a run ends."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from somagent.capsule_compiler.model.quantities import show_duration
from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.operator import Operator, StepFailure
from somagent.operators.runner.budgeting import time_at_work
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.outputs import run_outputs
from somagent.operators.runner.records import NO_ITEM, Attempt, Failure, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.protocol import EngineError
from somagent.workflows.engines.sub_capsules import nodes_below

_MAY_BE_ASKED = frozenset({"require_review", "depends"})
_WORDS: dict[Phase, str] = {"Failed": "failed", "Omitted": "was omitted", "Cancelled": "was cancelled"}


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What a run gave, or why it did not succeed."""

    outputs: dict[str, Any] = {}
    failure: Failure | None = None


def check_operators(
    plan: Plan, nodes: Iterable[Node], ended: Iterable[tuple[str, int]], operators: Container[str]
) -> None:
    """Raises `EngineError` when one of the nodes has not ended and its operator is not installed here any more.

    Steps of the capsules that they lead to are asked for as well, before anything starts.
    """
    done = {step for step, item in ended if item == NO_ITEM}
    left = [node for node in nodes if node.id not in done]
    for node in (*left, *nodes_below(plan, left)):
        if node.operator not in operators:
            raise EngineError(
                f"step `{node.id}` needs the operator `{node.operator}`, which is not installed here; nothing was "
                "recorded: install the package that brings it, then go on with the run"
            )


def check_runnable(plan: Plan, operators: Mapping[str, Operator]) -> None:
    """Raises `EngineError` when a step's operator is known to this version of SomaGent but cannot be run by it."""
    for one in (plan, *plan.capsules.values()):
        for node in (*one.nodes, *one.finals):
            operator = operators.get(node.operator)
            if node.capsule:
                continue  # the engine itself runs it, and its steps are looked at here
            if operator is not None and (what := operator.cannot_run(node)):
                raise EngineError(
                    f"step `{node.id}` cannot be run: this version of SomaGent checks and plans {what} and does not"
                    " run it; nothing was started"
                )


def is_final(plan: Plan, step: str) -> bool:
    """Whether it is a step of `finally`, which runs whatever stopped the others."""
    return any(step == node.id for node in plan.finals)


def before_final(plan: Plan, step: str) -> tuple[Node, ...]:
    """All that a step of `finally` comes after."""
    return (*plan.nodes, *takewhile(lambda node: node.id != step, plan.finals))


def may_ask(plan: Plan, node: Node) -> bool:
    """Whether people may be asked before or in the step: by itself, by its rules, by the constitution, or a budget."""
    return (
        budgets_ask(plan, node) or node.operator == "review" or node.verdict in _MAY_BE_ASKED or _rules_ask(plan, node)
    )


def asks_once(plan: Plan, node: Node) -> bool:
    """Whether people are asked one question in the step, and never another one."""
    kinds = (node.operator == "review", node.verdict in _MAY_BE_ASKED, _rules_ask(plan, node))
    return sum(kinds) == 1 and not budgets_ask(plan, node) and not node.capsule


def budgets_ask(plan: Plan, node: Node) -> bool:
    """Whether people are asked when a budget of the step or the run is used up, also by what is inside the step."""
    budgets = (node.budget, node.total_budget, plan.budget)
    return any(budget is not None and budget.on_exceed == "ask" for budget in budgets)


def _rules_ask(plan: Plan, node: Node) -> bool:
    if node.operator != "policy":
        return False
    arguments = node.arguments.value
    named = arguments.get("set", "") if isinstance(arguments, dict) else ""
    return _holds(plan.policies.get(named, plan.constitution).document, "require_review")


def _holds(value: Any, word: str) -> bool:
    if isinstance(value, dict | list):
        return any(_holds(one, word) for one in (value.values() if isinstance(value, dict) else value))
    return bool(value == word)


def in_the_way(plan: Plan, node: Node, phases: Mapping[str, Phase]) -> str:
    """Why the node cannot start although all that it needs has ended; empty when it can.

    The first need in the plan's order is named, whichever ended first.
    """
    shut = {edge.step for edge in node.needs if _is_shut(plan, edge.step, phases[edge.step])}
    if not shut:
        return ""
    first = next(iter(shut)) if len(shut) == 1 else next(one.id for one in plan.nodes if one.id in shut)
    if phases[first] == "Skipped":
        return f"gate `{first}` was skipped, and a gate opens only on allow or approve"
    return f"step `{first}` {_WORDS[phases[first]]}"


def _is_shut(plan: Plan, step: str, phase: Phase) -> bool:
    return plan.node(step).gate if phase == "Skipped" else phase != "Succeeded"


def omitted(key: StepKey, barrier: str, now: datetime) -> StepResult:
    """The result of a step that never started."""
    failure = Failure(failure_class="omitted", message=barrier)
    return StepResult(key=key, phase="Omitted", ended_at=now, failure=failure)


def cancellation(by: str) -> Failure:
    """Why a run stops at somebody's command."""
    return Failure(failure_class="cancelled", message=f"cancelled by {by}")


NOT_RUN = Failure(failure_class="error", message="the engine ended before it came to this step")
"""Why a step has no other end: the workflow was terminated, or could not go on."""


def overtime(plan: Plan) -> Failure:
    """Why a run stops when it has been worked on for as long as its budget allows."""
    limit = show_duration(plan.budget.wall_clock_ms or 0) if plan.budget is not None else ""
    return Failure(failure_class="budget", message=f"the run's budget of wallClock {limit} is used up")


def wall_clock_left(plan: Plan, attempts: Iterable[Attempt], now: datetime) -> timedelta | None:
    """How much longer the run may be worked on; None when its budget does not stop it.

    Counted is the time in which at least one attempt was at work: a run that waits for people, or for somebody to go
    on with it, uses up nothing. `finally` steps are not cut off.
    """
    if plan.budget is None or plan.budget.wall_clock_ms is None or plan.budget.on_exceed != "stop":
        return None
    return max(timedelta(milliseconds=plan.budget.wall_clock_ms) - time_at_work(attempts, now), timedelta())


def given_up(
    key: StepKey, attempts: Sequence[Attempt], why: Failure, now: datetime, spent: Amounts | None = None
) -> StepResult:
    """The result of a step or item that was cut off or given up before it ended; `spent` when attempts do not say."""
    return StepResult(
        key=key,
        phase="Cancelled" if why.failure_class == "cancelled" else "Failed",
        attempts=len(attempts),
        started_at=attempts[0].started_at if attempts else None,
        ended_at=now,
        failure=why,
        spent=spent or spent_by(attempts),
        given_up=True,
    )


def spent_by(attempts: Iterable[Attempt]) -> Amounts:
    """What these attempts spent together."""
    total = Amounts()
    for attempt in attempts:
        total = total.plus(attempt.spent)
    return total


def phase_of(plan: Plan, phases: Mapping[str, Phase]) -> Phase:
    """The phase of a run whose steps have all ended; a final that fails makes a run fail, too."""
    if any(phases[node.id] == "Cancelled" for node in plan.nodes):
        return "Cancelled"
    good = {"Succeeded", "Skipped"}
    return "Succeeded" if all(phases[node.id] in good for node in (*plan.nodes, *plan.finals)) else "Failed"


def _failure(results: Sequence[StepResult | None], steps: int) -> Failure | None:
    """Why a run did not succeed: the first step, in the plan's order, that was cancelled, else that failed.

    Where none did, a gate was skipped, and the first step is named that it keeps from running.

    A `finally` step that failed as well is never passed over in silence.
    """
    said = []
    for step, finals in ((results[:steps], False), (results[steps:], True)):
        for phase in ("Cancelled", "Failed", "Omitted"):
            bad = [one for one in step if one is not None and one.phase == phase and one.failure is not None]
            shown = bad if finals else bad[:1]
            said += [(one.key.step, one.failure, finals) for one in shown if one.failure is not None]
            if said and not finals:
                break
    if not said:
        return None
    lines = [f"{'finally ' if final else ''}step `{step}`: {why.message}" for step, why, final in said]
    return replace(said[0][1], message="; ".join(lines))


async def outcome_of(plan: Plan, run: RunRecord, ledger: Ledger, phase: Phase) -> tuple[Phase, Outcome]:
    """How a run whose steps have all ended ends itself: it fails as well when one of its outputs has no value."""
    if phase != "Succeeded":
        results = [await ledger.result(StepKey(run.id, node.id)) for node in (*plan.nodes, *plan.finals)]
        return phase, Outcome(failure=_failure(results, len(plan.nodes)))
    try:
        return phase, Outcome(outputs=await run_outputs(plan, run, ledger))
    except StepFailure as failure:
        return "Failed", Outcome(failure=Failure(failure_class=failure.failure_class, message=failure.message))
