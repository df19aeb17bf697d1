"""`capsule`: runs another capsule as a step. Its plan is a part of this one's, so nothing is read when it runs.

What the step gives is what the capsule gives. The engine drives the capsule as a run of its own, so there is no `run`
here; the compiler holds `with` against the capsule's inputs.
"""

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.capsule.args import CapsuleArgs
from somagent.operators.operator import Operator, arguments_schema

OPERATOR = Operator(
    entry=OperatorEntry(
        name="capsule",
        summary="Run another capsule as a step",
        arguments=arguments_schema(CapsuleArgs),
        core=True,
    ),
    arguments=CapsuleArgs,
    run=None,
)

__all__ = ["OPERATOR", "CapsuleArgs"]
