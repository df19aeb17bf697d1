"""`policy`: holds values against a constitution's input rules; the steps after it run only when they may.

A constitution's step rules are asked by the step runner, before every step, whatever its operator.
"""

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Operator, arguments_schema
from somagent.operators.policy.arguments import OUTPUTS, PolicyArguments
from somagent.operators.policy.asking import run

OPERATOR = Operator(
    entry=OperatorEntry(
        name="policy",
        summary="Hold values against the rules of a constitution",
        arguments=arguments_schema(PolicyArguments),
        outputs=OUTPUTS,
        gate=True,
        core=True,
    ),
    arguments=PolicyArguments,
    run=run,
)

__all__ = ["OPERATOR"]
