"""Runs as the command line sees them: where they are kept, how they are named, what is told of them."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from somagent.cli.engines import LOCAL, engine_named, open_elsewhere
from somagent.cli.printing import visible
from somagent.cli.way_on import way_on
from somagent.operators.operator import Operator
from somagent.operators.runner.records import NO_ITEM, Decision, Failure, Waiting
from somagent.workflows import directories, stores
from somagent.workflows.engines.lease import LENGTH_S
from somagent.workflows.engines.local import LocalEngine
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.local.writer import survive
from somagent.workflows.engines.opened import OpenEngine
from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.engines.slots import NO_LIMITS
from somagent.workflows.limits import not_installed, read_limits
from somagent.workflows.telemetry import observer_of


def data_directory(arguments: Namespace) -> Path:
    """Where runs are kept."""
    return directories.data_directory(arguments.data_dir)


def open_engine(
    arguments: Namespace, operators: Mapping[str, Operator] | None = None, lease_s: float = LENGTH_S
) -> OpenEngine:
    """The engine that the command asks for; without operators it can read and decide, not run."""
    if engine_named(arguments) != LOCAL:
        return open_elsewhere(arguments, operators or {})
    return open_local(arguments, operators, lease_s)


def open_local(
    arguments: Namespace, operators: Mapping[str, Operator] | None = None, lease_s: float = LENGTH_S
) -> LocalEngine:
    """The local engine on the data directory."""
    store = store_of(arguments)
    observer = observer_of(store)
    limits = read_limits(data_directory(arguments)) if operators else NO_LIMITS
    for doubt in not_installed(limits, operators or ()):
        sys.stderr.write(f"warning: {visible(doubt)}\n")
    return LocalEngine(
        data_directory(arguments),
        operators or {},
        parallel=getattr(arguments, "parallel", None),
        way_on=lambda *words: way_on(arguments, *words),
        lease_s=lease_s,
        limits=limits,
        store=store,
        observer=observer,
        crash=observer.passed if observer is not None else survive,
    )


def store_of(arguments: Namespace) -> Store:
    """Where the rows of runs are: in the database that is named, else in the data directory."""
    return stores.open_store(data_directory(arguments), store_named(arguments))


def store_named(arguments: Namespace) -> str:
    """The address of the database with the rows of runs; empty when they are in the data directory."""
    return stores.store_named(getattr(arguments, "store", None))


def run_object(view: RunView) -> dict[str, Any]:
    """A run as `--output json` shows it; the shape is documented in docs/cli.md."""
    plan = view.plan
    shown: dict[str, Any] = {
        "id": view.run.id,
        "capsule": view.run.capsule,
        "phase": view.phase,
        "submitter": view.run.submitter,
        "createdAt": view.run.created_at,
        "startedAt": view.started_at,
        "endedAt": view.ended_at,
        "inputs": view.run.inputs,
        "outputs": view.outputs,
        "steps": {step.id: _step_object(step) for step in view.steps},
        "decisions": [_decision_object(decision) for decision in view.decisions],
        "digests": {
            "capsule": plan.source.digest,
            "plan": view.run.plan_digest,
            "constitution": plan.constitution.digest,
        },
    }
    if view.run.retry_of:
        shown["retryOf"] = view.run.retry_of
    if view.failure is not None:
        shown["failure"] = _failure_object(view.failure)
    if view.warnings:
        shown["warnings"] = view.warnings
    return shown


def _step_object(step: StepView) -> dict[str, Any]:
    shown: dict[str, Any] = {"phase": step.phase, "attempts": step.attempts, "operator": step.operator}
    if step.failure is not None:
        shown["failure"] = _failure_object(step.failure)
    if step.verdict is not None:
        shown["verdict"] = step.verdict.effect
    if step.waiting is not None and step.phase == "Waiting":
        shown["waiting"] = _waiting_object(step.waiting)
    if step.outputs:
        shown["outputs"] = step.outputs
    if step.inner is not None:
        shown["run"] = run_object(step.inner)
    if step.items:
        shown["items"] = [
            {key: value for key, value in _step_object(item).items() if key != "operator"} for item in step.items
        ]
    return msgspec.to_builtins(shown)  # type: ignore[no-any-return]


def _failure_object(failure: Failure) -> dict[str, Any]:
    return {"class": failure.failure_class, "message": failure.message}


def _waiting_object(waiting: Waiting) -> dict[str, Any]:
    return {
        "title": waiting.title,
        "users": waiting.users,
        "groups": waiting.groups,
        "count": waiting.count,
        "notSubmitter": waiting.not_submitter,
        "show": waiting.show,
        "outputs": waiting.outputs,
        "due": waiting.due,
        "onTimeout": waiting.on_timeout,
    }


def _decision_object(decision: Decision) -> dict[str, Any]:
    return {
        "step": decision.step,
        "item": None if decision.item == NO_ITEM else decision.item,
        "by": decision.by,
        "groups": decision.groups,
        "account": decision.account,
        "verified": decision.verified,
        "issuer": decision.issuer,
        "approve": decision.approve,
        "outputs": decision.outputs,
        "comment": decision.comment,
        "at": decision.at,
    }
