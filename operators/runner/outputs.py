"""What a run gives in the end: the capsule's outputs, worked out of its steps' results."""

from __future__ import annotations

from typing import Any

import msgspec

from somagent.capsule_compiler.plan import Plan
from somagent.operators.operator import StepFailure
from somagent.operators.runner.bindings import Scope
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.ledger import Ledger
from somagent.operators.runner.ready import ready
from somagent.operators.runner.records import RunRecord, StepResult
from somagent.operators.runner.values import fetch


async def run_outputs(plan: Plan, run: RunRecord, ledger: Ledger) -> dict[str, Any]:
    """The capsule's outputs as JSON; raises `StepFailure` that names the output which has no value."""
    prepared = ready(plan)
    scope = Scope(prepared, None, run, ledger)
    outputs = {}
    for name, template in prepared.outputs.items():
        try:
            outputs[name] = msgspec.to_builtins(template.render(await scope.bindings(template.reads)))
        except StepFailure as fault:
            raise StepFailure(fault.failure_class, f"output `{name}`: {fault.message}") from None
    return outputs


def outputs_of(result: StepResult, contents: Contents) -> dict[str, Any]:
    """A result's outputs with large values fetched from the content store; raises `ContentError`."""
    return fetch(result.outputs, contents)
