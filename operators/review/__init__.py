"""`review`: people decide whether the run goes on. It waits without holding anything, and opens only on approval.

How a decision reaches the ledger (a terminal, `somagent approve`, an API) is the engines' and the interfaces' business.
"""

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Operator, arguments_schema
from somagent.operators.review.arguments import OUTPUTS, ReviewArguments
from somagent.operators.review.asking import run

OPERATOR = Operator(
    entry=OperatorEntry(
        name="review",
        summary="Let people decide whether the run goes on",
        arguments=arguments_schema(ReviewArguments),
        outputs=OUTPUTS,
        declares_outputs=True,
        artifacts_by_path=False,
        answered=True,
        gate=True,
        core=True,
    ),
    arguments=ReviewArguments,
    run=run,
)

__all__ = ["OPERATOR"]
