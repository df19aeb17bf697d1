"""An operator of another package, as anybody may write one: it gives a number, spends tokens, and fails as it is told.

It starts no process, so that a graph of a thousand steps tests the engine and not the machine.
"""

from __future__ import annotations

from msgspec import Struct

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.capsule_compiler.plan import Amounts
from somagent.operators.operator import Answer, Operator, Step, StepFailure, arguments_schema
from somagent.operators.runner.records import FailureClass


class ProbeArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The value of `with:`."""

    value: int = 0
    tokens: int = 0  # reserved and spent
    more_tokens: int = 0  # spent without being reserved
    fail: list[FailureClass] = []  # class of the first attempts' failures, one each


async def run(args: ProbeArgs, step: Step) -> Answer:
    """Answers at once; raises `StepFailure` as often as `fail` says."""
    step.log.line(f"attempt {step.attempt} of {step.key}")
    spent = Amounts(tokens=args.tokens + args.more_tokens)
    if step.attempt <= len(args.fail):
        raise StepFailure(args.fail[step.attempt - 1], f"attempt {step.attempt} was told to fail", spent=spent)
    return Answer({"value": args.value, "key": str(step.key)}, spent)


OPERATOR = Operator(
    entry=OperatorEntry(
        name="probe",
        summary="Give a number, spend tokens, and fail as told",
        arguments=arguments_schema(ProbeArgs),
        outputs={"value": {"type": "integer"}, "key": {"type": "string"}},
    ),
    arguments=ProbeArgs,
    run=run,
    estimate=lambda args: Amounts(tokens=args.tokens),
)
