"""What expressions see: the run, its inputs, and of earlier steps just those that are asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from somagent.capsule_compiler.value_types import ARTIFACT
from somagent.governance.cel import BorderError, Value, from_json
from somagent.operators.operator import StepFailure
from somagent.operators.runner.artifacts import read_artifact
from somagent.operators.runner.contents import ContentError
from somagent.operators.runner.expressions import SKIPPED, Reads
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.ready import ReadyNode, ReadyPlan
from somagent.operators.runner.records import RunRecord, StepKey, StepResult
from somagent.operators.runner.values import fetch

_OBJECT_FACTOR = 4  # Python's objects need about so many times the bytes of their JSON


class Scope:
    """The names of one run, as one step's expressions see them."""

    def __init__(self, ready: ReadyPlan, node: ReadyNode | None, run: RunRecord, ledger: Ledger) -> None:
        self._ready = ready
        self._node = node
        self._run = run
        self._ledger = ledger

    async def bindings(self, reads: Reads, **more: Value) -> dict[str, Value]:
        """Values of all names that `reads` has, and `more`; raises `StepFailure` when content is lost."""
        found: dict[str, Value] = {
            "inputs": self._inputs(),
            "steps": {step: await self._step(step) for step in self._steps(reads)},
            "run": {"id": self._run.id, "submitter": self._run.submitter},
        }
        if reads.phase and self._node is not None and self._node.final:
            found["run"] = {"id": self._run.id, "submitter": self._run.submitter, "phase": await self._phase()}
        return found | more

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

    async def _step(self, step: str) -> Value:
        remembered = self._ledger.contents.remembered
        key = ("step", self._run.id, step)
        value: Value = remembered.get(key)
        if value is None:
            value = await self._outputs(step)
            remembered.put(key, value, size_of(value))
        return value

    async def _outputs(self, step: str) -> Value:
        result = await self._ledger.result(StepKey(self._run.id, step))
        if result is None:
            raise RuntimeError(f"step `{step}` of run {self._run.id} is read before it has ended")
        if result.phase != "Succeeded":
            return SKIPPED
        node = self._ready.nodes[step]
        if node.node.fan_out is None:
            return self._typed_outputs(node, result)
        items = await self._ledger.item_results(self._run.id, step)
        return [self._typed_outputs(node, item) for item in items]

    def _typed_outputs(self, node: ReadyNode, result: StepResult) -> Value:
        try:
            outputs = fetch(result.outputs, self._ledger.contents)
        except ContentError as fault:
            raise StepFailure("error", f"outputs of step `{node.node.id}`: {fault}") from None
        return {
            name: _typed(value, node.output_types, name, f"output `{name}` of step `{node.node.id}`")
            for name, value in outputs.items()
        }

    async def _phase(self) -> str:
        """How the steps have ended; `finally` steps run after all others."""
        phases = set()
        for node in self._ready.plan.nodes:
            result = await self._ledger.result(StepKey(self._run.id, node.id))
            phases.add(result.phase if result is not None else "Omitted")
        if "Cancelled" in phases:
            return "Cancelled"
        return "Failed" if phases & {"Failed", "Omitted"} else "Succeeded"


def _typed(value: Any, types: dict[str, Any], name: str, what: str) -> Value:
    if name not in types:
        raise StepFailure("error", f"{what} is not declared in the plan")
    if types[name] == ARTIFACT:
        artifact = read_artifact(value)
        if artifact is None:
            raise StepFailure("error", f"{what} is declared as an artifact, but is none")
        return artifact
    try:
        return from_json(value, types[name])
    except BorderError as fault:
        raise StepFailure("error", f"{what}: {fault}") from None


def size_of(value: Value) -> int:
    """About how many bytes a value takes in memory."""
    return _OBJECT_FACTOR * len(msgspec.json.encode(value)) + 64
