"""What expressions see: the run, its inputs, and of earlier steps just those that are asked for.

Nothing of it changes between the attempts of a step: steps are read when they have ended, and what the run has spent
is what had been settled when the step was first reached.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, NamedTuple

import msgspec

from somagent.capsule_compiler.plan import Amounts
from somagent.capsule_compiler.value_types import ARTIFACT, SECRET
from somagent.governance.cel import BorderError, Value, from_json
from somagent.operators.operator import StepFailure
from somagent.operators.runner.artifacts import read_artifact, with_artifacts
from somagent.operators.runner.contents import ContentError
from somagent.operators.runner.expressions import RAN, Reads
from somagent.operators.runner.ledger import Records
from somagent.operators.runner.ready import ReadyNode, ReadyPlan
from somagent.operators.runner.records import NO_ITEM, RunRecord, Secret, StepKey, StepResult
from somagent.operators.runner.remembered import OBJECT_FACTOR
from somagent.operators.runner.secrets import secret_named
from somagent.operators.runner.values import fetch, has_stored


class _Seen(NamedTuple):
    """A step that has ended, and whether it has outputs."""

    value: Value
    ran: bool


class Scope:
    """The names of one run, as one step's expressions see them."""

    def __init__(self, ready: ReadyPlan, node: ReadyNode | None, run: RunRecord, ledger: Records) -> None:
        self._ready = ready
        self._node = node
        self._run = run
        self._ledger = ledger

    async def bindings(self, reads: Reads, **more: Value) -> dict[str, Value]:
        """Values of all names that `reads` has, and `more`; raises `StepFailure` when content is lost."""
        steps = {step: await self._step(step) for step in self._steps(reads)}
        found: dict[str, Value] = {
            "inputs": self._inputs(),
            "steps": {step: seen.value for step, seen in steps.items()},
            "run": await self._run_members(reads.run),
            RAN: {step: True for step, seen in steps.items() if seen.ran},
            "secrets": self._secrets,
        }
        return found | more

    @property
    def _secrets(self) -> Value:
        uses = self._ready.plan.secrets
        return {name: Secret(secret=use.secret, key=use.key) for name, use in uses.items()} if uses else {}

    def _steps(self, reads: Reads) -> frozenset[str]:
        if not reads.all_steps or self._node is None:
            return reads.steps
        return reads.steps | {edge.step for edge in self._node.node.needs}

    def _inputs(self) -> Value:
        remembered = self._ledger.contents.remembered
        key = ("inputs", self._run.id)
        inputs: Value = remembered.get(key)
        if inputs is None:
            types = self._ready.input_types
            inputs = {name: _typed(value, types, name, f"input `{name}`") for name, value in self._run.inputs.items()}
            remembered.put(key, inputs, size_of(inputs))
        return inputs

    async def _run_members(self, read: frozenset[str]) -> Value:
        members: dict[Any, Value] = {"id": self._run.id, "submitter": self._run.submitter}
        if "startedAt" in read:
            at = await self._ledger.started_at(self._run.id) or self._run.created_at
            members["startedAt"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "spend" in read:
            key = StepKey(self._run.id, self._node.node.id if self._node is not None else "")
            members["spend"] = _spend(await self._ledger.spent_until(key))
        if "phase" in read and self._node is not None and self._node.final:
            members["phase"] = await self._phase()
        return members

    async def _step(self, step: str) -> _Seen:
        remembered = self._ledger.contents.remembered
        key = ("step", self._run.id, step)
        seen: _Seen | None = remembered.get(key)
        if seen is None:
            seen = await self._outputs(step)
            remembered.put(key, seen, size_of(seen.value))
        return seen

    async def _outputs(self, step: str) -> _Seen:
        result = await self._ledger.result(StepKey(self._run.id, step))
        if result is None:
            raise RuntimeError(f"step `{step}` of run {self._run.id} is read before it has ended")
        ran = result.phase == "Succeeded"
        node = self._ready.nodes[step]
        if node.node.fan_out is None or not ran:
            return _Seen(await self._members(node, result), ran)
        items = await self._ledger.item_results(self._run.id, step)
        return _Seen([await self._members(node, item) for item in items], ran)

    async def _members(self, node: ReadyNode, result: StepResult) -> Value:
        """What is known of how it went, and its outputs, or the error of an item that failed."""
        members: dict[Any, Value] = {
            "status": result.phase,
            "attempts": result.attempts,
            "spend": _spend(result.spent),
        }
        if result.phase == "Succeeded":
            return members | await self._typed_outputs(node, result)
        if result.failure is not None and result.key.item != NO_ITEM:
            why = result.failure
            error: Value = {"class": why.failure_class, "message": why.message, "attempts": result.attempts}
            return members | {"error": error}
        return members

    async def _typed_outputs(self, node: ReadyNode, result: StepResult) -> dict[Any, Value]:
        try:
            outputs, contents = result.outputs, self._ledger.contents
            if has_stored(outputs):
                outputs = await contents.beside(fetch, outputs, contents)
        except ContentError as fault:
            raise StepFailure("error", f"outputs of step `{node.node.id}`: {fault}") from None
        typed = {
            name: _typed(value, node.output_types, name, f"output `{name}` of step `{node.node.id}`")
            for name, value in outputs.items()
        }
        held = node.outputs_with_artifacts
        return typed | with_artifacts({name: typed[name] for name in held if name in typed}, held)

    async def _phase(self) -> str:
        """How the steps have ended; `finally` steps run after all others."""
        phases = set()
        for node in self._ready.plan.nodes:
            result = await self._ledger.result(StepKey(self._run.id, node.id))
            phases.add(result.phase if result is not None else "Omitted")
        if "Cancelled" in phases:
            return "Cancelled"
        return "Failed" if phases & {"Failed", "Omitted"} else "Succeeded"


def _spend(spent: Amounts) -> Value:
    return {"tokens": spent.tokens, "costMicros": spent.cost_micros}


def _typed(value: Any, types: dict[str, Any], name: str, what: str) -> Value:
    if name not in types:
        raise StepFailure("error", f"{what} is not declared in the plan")
    if types[name] == ARTIFACT:
        artifact = read_artifact(value)
        if artifact is None:
            raise StepFailure("error", f"{what} is declared as an artifact, but is none")
        return artifact
    if types[name] == SECRET:
        secret = secret_named(value)
        if secret is None:
            raise StepFailure("error", f"{what} is declared as a secret, but does not name one as `SECRET/KEY`")
        return secret
    try:
        return from_json(value, types[name])
    except BorderError as fault:
        raise StepFailure("error", f"{what}: {fault}") from None


def size_of(value: Value) -> int:
    """About how many bytes a value takes in memory."""
    return OBJECT_FACTOR * len(msgspec.json.encode(value)) + 64
