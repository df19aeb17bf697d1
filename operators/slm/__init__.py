"""`slm`: asks a small language model, as a persona. This version checks and plans such steps and does not run them."""

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Operator, arguments_schema
from somagent.operators.slm.args import SlmArgs

OPERATOR = Operator(
    entry=OperatorEntry(
        name="slm",
        summary="Ask a small language model as a persona (checked and planned, not run by this version)",
        arguments=arguments_schema(SlmArgs),
        declares_outputs=True,
        artifacts_by_path=False,
        core=True,
    ),
    arguments=SlmArgs,
    run=None,
)

__all__ = ["OPERATOR", "SlmArgs"]
