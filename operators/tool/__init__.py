"""`tool`: uses a tool once. This version checks and plans such steps and does not run them."""

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Operator, arguments_schema
from somagent.operators.tool.args import ToolArgs

OPERATOR = Operator(
    entry=OperatorEntry(
        name="tool",
        summary="Use a tool (checked and planned, not run by this version)",
        arguments=arguments_schema(ToolArgs),
        declares_outputs=True,
        artifacts_by_path=False,
        core=True,
    ),
    arguments=ToolArgs,
    run=None,
)

__all__ = ["OPERATOR", "ToolArgs"]
