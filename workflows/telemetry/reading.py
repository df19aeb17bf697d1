"""From an event to what is told of it. The event says what to look at; times and classes are those of the journal.

A span is told when what it stands for has ended, never before: what a killed process was at work on is told by whoever
goes on with it, and a run that waits for a month is only rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.operators.runner import trace_context
from somagent.operators.runner.records import ENDED, NO_ITEM, Attempt, Phase, RunRecord, StepKey, StepResult
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.parked import open_questions
from somagent.workflows.engines.protocol import Event
from somagent.workflows.telemetry.signals import Attributes, Entry, Measure, Span, Told

_BAD: frozenset[Phase] = frozenset({"Failed", "Cancelled"})
_MICROS = 1_000_000


class _Known(Struct):
    """A run that things are told of."""

    run: RunRecord
    plan: Plan
    nodes: dict[str, Node]
    since: datetime | None  # when it was first worked on
    ended: dict[str, datetime]  # steps, and fan-outs that were opened (`STEP/`): when


class Reader:
    """Tells of the runs of a journal."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._runs: dict[str, _Known] = {}

    def tell(self, event: Event) -> Iterator[Told]:
        """What is to be told of an event."""
        known = self._known(event.key.run)
        if event.kind == "run":
            yield from self._run(event, known)
            return
        yield _entry(event, known)
        if event.kind == "opened":
            known.ended[f"{event.key.step}/"] = event.at
        elif event.kind == "attempt":
            yield from self._begun(event, known)
        elif event.kind in {"waiting", "retry"}:
            yield from _attempt(self._rows.attempts_of(event.key)[event.attempt - 1], known)
        elif event.kind == "result" and event.result is not None:
            yield from self._ended(event.result, known)

    def gates_waiting(self) -> int:
        """Questions to people that nobody has answered."""
        left = [*self._rows.left(parked=True), *self._rows.left(parked=False)]
        return sum(1 for run_id in left for _ in open_questions(self._rows, run_id))

    def _known(self, run_id: str) -> _Known:
        if run_id not in self._runs:
            row, plan = self._rows.run(run_id), self._rows.plan(run_id)
            nodes = {node.id: node for node in (*plan.nodes, *plan.finals)}
            self._runs[run_id] = _Known(row.run, plan, nodes, row.started_at, {})
        return self._runs[run_id]

    def _run(self, event: Event, known: _Known) -> Iterator[Told]:
        run, of = known.run, _of_run(known)
        yield _run_entry(event, of)
        if event.phase == "Running":
            if known.since == event.at:
                waited = max((event.at - run.created_at).total_seconds(), 0.0)
                yield Measure(name="somagent.run.claim.duration", value=waited, attributes=_capsule(known))
            return
        del self._runs[run.id]
        if event.phase not in ENDED:
            return
        row = self._rows.run(run.id)
        failure = row.outcome.failure.failure_class if row.outcome.failure is not None else ""
        error = failure or event.phase.lower() if event.phase in _BAD else ""
        start, end = row.started_at or event.at, row.ended_at or event.at
        above, old = run.parent, run.retry_of if run.parent is None else ""
        yield Span(
            name=f"run {run.capsule}",
            trace=trace_context.trace_id(run.id),
            id=trace_context.run_span(run.id),
            parent=None if above is None else trace_context.step_span(StepKey(above.run, above.step, above.item)),
            start=start,
            end=end,
            attributes={**of, "somagent.run.phase": event.phase, **_spent(self._rows.spent(run.id), known.plan)},
            error=error,
            links=((trace_context.trace_id(old), trace_context.run_span(old)),) if old else (),
        )
        how = {**_capsule(known), "somagent.run.phase": event.phase, **_error(error)}
        yield Measure(name="somagent.runs", value=1, attributes=how)
        yield Measure(name="somagent.run.duration", value=(end - start).total_seconds(), attributes=how)

    def _begun(self, event: Event, known: _Known) -> Iterator[Told]:
        if event.attempt == 1:
            since = self._could_begin(event.key, known)
            if since is not None:
                waited = max((event.at - since).total_seconds(), 0.0)
                of = {**_capsule(known), "somagent.operator": known.nodes[event.key.step].operator}
                yield Measure(name="somagent.step.queue.duration", value=waited, attributes=of)
            return
        last = self._rows.attempts_of(event.key)[event.attempt - 2]
        if last.waiting is not None:
            yield from _wait(last, event.at, known)
        elif last.retry_at is None:  # it was cut off, by the death of its process perhaps: nobody has told of it
            yield from _attempt(last, known)

    def _could_begin(self, key: StepKey, known: _Known) -> datetime | None:
        """When all that it needs had ended."""
        if key.item != NO_ITEM:
            return known.ended.get(f"{key.step}/")
        times = [known.since]
        for edge in known.nodes[key.step].needs:
            if edge.step not in known.ended:
                result = self._rows.result(StepKey(key.run, edge.step))
                if result is not None:
                    known.ended[edge.step] = result.ended_at
            times.append(known.ended.get(edge.step))
        return max((time for time in times if time is not None), default=None)

    def _ended(self, result: StepResult, known: _Known) -> Iterator[Told]:
        key, of_fan_out = result.key, result.items is not None
        attempts = [] if of_fan_out else self._rows.attempts_of(key)
        if attempts and attempts[-1].waiting is not None:
            yield from _wait(attempts[-1], result.ended_at, known)
        elif attempts and attempts[-1].retry_at is None:
            yield from _attempt(attempts[-1], known)
        start = attempts[0].started_at if attempts else result.started_at or result.ended_at
        error = _class_of(result) if result.phase in _BAD else ""
        of = _of_step(key, known)
        more: dict[str, str | int] = {"somagent.step.phase": result.phase, "somagent.step.attempts": result.attempts}
        if result.input_digest:
            more["somagent.step.input_digest"] = result.input_digest
        if result.output_digest:
            more["somagent.step.output_digest"] = result.output_digest
        if result.items is not None:
            more["somagent.step.items"] = result.items
        if result.verdict is not None:
            more["somagent.verdict.effect"] = result.verdict.effect
        is_item = key.item != NO_ITEM
        yield Span(
            name=f"{'item' if is_item else 'step'} {key.step}",
            trace=trace_context.trace_id(key.run),
            id=trace_context.step_span(key),
            parent=_above(key),
            start=start,
            end=result.ended_at,
            attributes={**of, **more, **_spent(result.spent, known.plan)},
            error=error,
        )
        operator = known.nodes[key.step].operator
        how = {**_capsule(known), "somagent.operator": operator, "somagent.step.phase": result.phase, **_error(error)}
        kind, took = "item" if is_item else "step", (result.ended_at - start).total_seconds()
        yield Measure(name=f"somagent.{kind}s", value=1, attributes=how)
        if attempts or of_fan_out:
            yield Measure(name=f"somagent.{kind}.duration", value=took, attributes=how)
        if not is_item:
            known.ended[key.step] = result.ended_at


def _attempt(attempt: Attempt, known: _Known) -> Iterator[Told]:
    """An attempt that has ended."""
    key, end = attempt.key, attempt.ended_at or attempt.started_at
    error = attempt.failure.failure_class if attempt.failure is not None else ""
    phase: dict[str, str] = {"somagent.attempt.phase": attempt.phase}
    of: dict[str, str | int | float | bool] = {**_of_step(key, known), "somagent.attempt.number": attempt.number}
    if attempt.verdict is not None:
        of["somagent.verdict.effect"] = attempt.verdict.effect
    yield Span(
        name=f"attempt {key.step}",
        trace=trace_context.trace_id(key.run),
        id=trace_context.attempt_span(key, attempt.number),
        parent=trace_context.step_span(key),
        start=attempt.started_at,
        end=end,
        attributes={**of, **phase, **_spent(attempt.spent, known.plan)},
        error=error,
    )
    of_operator = {**_capsule(known), "somagent.operator": known.nodes[key.step].operator}
    how = {**of_operator, **phase, **_error(error)}
    yield Measure(name="somagent.attempts", value=1, attributes=how)
    took = (end - attempt.started_at).total_seconds()
    yield Measure(name="somagent.attempt.duration", value=took, attributes=how)
    if known.nodes[key.step].capsule:
        return  # those inside have told what they spent
    if attempt.spent.tokens:
        yield Measure(name="somagent.tokens", value=attempt.spent.tokens, attributes=of_operator)
    if attempt.spent.cost_micros:
        currency = {"somagent.currency": _currency(known.plan)}
        cost = attempt.spent.cost_micros / _MICROS
        yield Measure(name="somagent.cost", value=cost, attributes={**of_operator, **currency})


def _wait(attempt: Attempt, until: datetime, known: _Known) -> Iterator[Told]:
    """The time in which people were waited for, after the attempt that asked them."""
    key, start = attempt.key, attempt.ended_at or attempt.started_at
    if attempt.waiting is not None and attempt.waiting.child:
        return  # the step in the capsule waits, and tells
    yield Span(
        name=f"wait {key.step}",
        trace=trace_context.trace_id(key.run),
        id=trace_context.wait_span(key, attempt.number),
        parent=trace_context.step_span(key),
        start=start,
        end=max(until, start),
        attributes=_of_step(key, known),
    )
    waited = max((until - start).total_seconds(), 0.0)
    yield Measure(name="somagent.gate.wait.duration", value=waited, attributes=_capsule(known))


def _entry(event: Event, known: _Known) -> Entry:
    key, result = event.key, event.result
    name = key.step if key.item == NO_ITEM else f"{key.step}/{key.item}"
    of: dict[str, str | int | float | bool] = dict(_of_step(key, known))
    span = trace_context.step_span(key)
    if event.attempt and event.kind in {"attempt", "waiting", "retry"}:
        of["somagent.attempt.number"] = event.attempt
        span = trace_context.attempt_span(key, event.attempt)
    texts = {
        "attempt": f"{name}: attempt {event.attempt} began",
        "waiting": f"{name} waits for people",
        "retry": f"{name}: attempt {event.attempt} failed, another one follows",
        "opened": f"{name} has {event.items} items",
        "decision": f"{name}: somebody decided",
        "result": f"{name} {event.phase}",
    }
    error = _class_of(result) if result is not None and result.phase in {*_BAD, "Omitted"} else ""
    if result is not None:
        of |= {"somagent.step.phase": result.phase, **_error(error)}
    bad = {"Failed": "ERROR", "Cancelled": "WARN", "Omitted": "WARN"}
    return Entry(
        at=event.at,
        severity="WARN" if event.kind == "retry" else bad.get(event.phase, "INFO"),  # type: ignore[arg-type]
        name=f"somagent.step.{'attempt' if event.kind == 'attempt' else event.kind}",
        text=f"{texts[event.kind]}{f' ({error})' if error else ''}",
        trace=trace_context.trace_id(key.run),
        span=span,
        attributes=of,
        message=event.message,
    )


def _run_entry(event: Event, of: Attributes) -> Entry:
    run = event.key.run
    words = {"Waiting": "waits for people", "Running": "is worked on", "Pending": "is left as it is"}
    return Entry(
        at=event.at,
        severity="ERROR" if event.phase == "Failed" else "WARN" if event.phase == "Cancelled" else "INFO",
        name="somagent.run",
        text=f"{run} {words.get(event.phase, event.phase)}",
        trace=trace_context.trace_id(run),
        span=trace_context.run_span(run),
        attributes={**of, "somagent.run.phase": event.phase},
        message=event.message,
    )


def _above(key: StepKey) -> int:
    step = key._replace(item=NO_ITEM)
    return trace_context.run_span(key.run) if key.item == NO_ITEM else trace_context.step_span(step)


def _class_of(result: StepResult) -> str:
    return result.failure.failure_class if result.failure is not None else result.phase.lower()


def _capsule(known: _Known) -> dict[str, str]:
    return {"somagent.capsule.name": known.run.capsule}


def _of_run(known: _Known) -> dict[str, str | int | float | bool]:
    run, plan = known.run, known.plan
    of: dict[str, str | int | float | bool] = {
        **_capsule(known),
        "somagent.run.id": run.id,
        "somagent.plan.digest": run.plan_digest,
        "somagent.constitution.digest": plan.constitution.digest,
    }
    more = {"package": plan.capsule.package, "version": plan.capsule.version}
    return of | {f"somagent.capsule.{name}": text for name, text in more.items() if text}


def _of_step(key: StepKey, known: _Known) -> dict[str, str | int | float | bool]:
    of: dict[str, str | int | float | bool] = {
        **_capsule(known),
        "somagent.run.id": key.run,
        "somagent.step.id": key.step,
        "somagent.operator": known.nodes[key.step].operator,
    }
    return of if key.item == NO_ITEM else of | {"somagent.item.index": key.item}


def _error(error: str) -> dict[str, str]:
    return {"error.type": error} if error else {}


def _spent(spent: Amounts, plan: Plan) -> dict[str, int | float | str]:
    told: dict[str, int | float | str] = {}
    if spent.tokens:
        told["somagent.tokens"] = spent.tokens
    if spent.cost_micros:
        told |= {"somagent.cost": spent.cost_micros / _MICROS, "somagent.currency": _currency(plan)}
    return told


def _currency(plan: Plan) -> str:
    budgets = (plan.budget, *(budget for node in plan.nodes for budget in (node.budget, node.total_budget)))
    return next((budget.currency for budget in budgets if budget is not None and budget.currency), "")
