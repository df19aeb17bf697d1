"""What helps against a failure, where its class says it."""

from __future__ import annotations

from somagent.operators.runner.records import FailureClass

WHAT_HELPS: dict[FailureClass, str] = {
    "timeout": "give it longer (`timeout`) or less to do",
    "invalid_output": "make it answer what its `outputs` declare, or declare what it answers",
    "denied": "a rule or a person said no: change what the step does, or ask those who own the rule",
    "budget": "raise the `budget`, or spend less",
    "resources": "raise the step's `resources`, or have it use less",
}
