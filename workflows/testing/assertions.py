"""Expressions that must be true of a run: typed when the file is read, evaluated on the values that the run gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from somagent.capsule_compiler.environment import type_of_schema
from somagent.capsule_compiler.plan import Amounts, Node, Plan
from somagent.capsule_compiler.value_types import ARTIFACT, SECRET
from somagent.governance.cel import (
    BOOL,
    DYN,
    EvaluationError,
    Expr,
    SyntaxFault,
    Type,
    Value,
    check,
    evaluate,
    from_json,
    parse,
)
from somagent.governance.documents import Diagnostic
from somagent.operators.runner.artifacts import read_artifact, with_artifacts
from somagent.workflows.engines.protocol import RunView, StepView


def check_assertion(text: str, scope: Mapping[str, Type]) -> Sequence[Diagnostic]:
    """What is wrong with an assertion, with spans that are offsets into its text."""
    if "${{" in text:
        from somagent.governance.documents import Span  # noqa: PLC0415

        message = "an assertion is an expression as it stands, without `${{ }}`"
        return [Diagnostic("no-expression-here", message, Span(0, len(text)))]
    try:
        expr = parse(text)
    except SyntaxFault as fault:
        return fault.diagnostics
    checked = check(expr, scope)
    if checked.diagnostics or checked.type in (BOOL, DYN):
        return checked.diagnostics
    message = "an assertion is true or false, and this is neither"
    return [Diagnostic("test-assertion-not-bool", message, expr.span, help="compare it: `... == ...`")]


def failed_assertion(text: str, bindings: Mapping[str, Value]) -> str:
    """Why the assertion does not hold; empty when it does."""
    expr: Expr = parse(text)
    try:
        value = evaluate(expr, bindings)
    except EvaluationError as fault:
        return str(fault)
    return "" if value is True else f"it is {str(value).lower()}"


def bindings_of(view: RunView) -> dict[str, Value]:
    """What assertions see of a run."""
    plan = view.plan
    steps: dict[Any, Value] = {step.id: _step(step, plan.node(step.id), plan) for step in view.steps}
    run: dict[Any, Value] = {
        "id": view.run.id,
        "submitter": view.run.submitter,
        "startedAt": (view.started_at or view.run.created_at).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "spend": _spend(_total(view)),
    }
    schemas = plan.output_schemas
    return {
        "inputs": {name: _typed(value, plan.inputs.get(name, {}), plan) for name, value in view.run.inputs.items()},
        "outputs": {name: _typed(value, schemas.get(name, {}), plan) for name, value in view.outputs.items()},
        "steps": steps,
        "run": run,
    }


def _total(view: RunView) -> Amounts:
    total = Amounts()
    for step in view.steps:
        total = total.plus(step.spent)
    return total


def _spend(spent: Amounts) -> Value:
    return {"tokens": spent.tokens, "costMicros": spent.cost_micros}


def _step(view: StepView, node: Node, plan: Plan) -> Value:
    if node.fan_out is not None and view.phase == "Succeeded":
        return [_members(item, node, plan) for item in view.items]
    return _members(view, node, plan)


def _members(view: StepView, node: Node, plan: Plan) -> Value:
    members: dict[Any, Value] = {"status": view.phase, "attempts": view.attempts, "spend": _spend(view.spent)}
    if view.phase == "Failed" and view.failure is not None:
        why = view.failure
        error: Value = {"class": why.failure_class, "message": why.message, "attempts": view.attempts}
        members["error"] = error
    return members | {name: _typed(value, node.outputs.get(name, {}), plan) for name, value in view.outputs.items()}


def _typed(value: Any, schema: Mapping[str, Any], plan: Plan) -> Value:
    type_ = type_of_schema(schema, plan.types)
    if type_ == ARTIFACT:
        return read_artifact(value)
    if type_ == SECRET:
        return str(value)
    typed: Value = with_artifacts({"": from_json(value, type_)}, {"": schema})[""]
    return typed
