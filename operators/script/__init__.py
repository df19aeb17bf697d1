"""Runs a script of bash or Python: values in through the environment and a file, out through a file, files by path.

Inside: the script's environment, its processes, the format of its answer. The step runner has decided guards, asked
the constitution and set the deadline before, and validates the outputs after.
"""

from __future__ import annotations

from pathlib import Path

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Answer, Operator, Step, arguments_schema
from somagent.operators.runner.records import StepKey
from somagent.operators.script.args import ScriptArgs

__all__ = ["OPERATOR", "ScriptArgs"]


async def _run(args: ScriptArgs, step: Step) -> Answer:
    from somagent.operators.script.run import run  # noqa: PLC0415 - checking a capsule needs no processes

    return await run(args, step)


async def _abandon(key: StepKey, workspace: Path) -> None:
    from somagent.operators.script.run import end_attempts  # noqa: PLC0415 - needed after a death only

    await end_attempts(key, workspace)


OPERATOR = Operator(
    entry=OperatorEntry(
        name="script",
        summary="Run a bash or Python script",
        arguments=arguments_schema(ScriptArgs),
        declares_outputs=True,
        core=True,
    ),
    arguments=ScriptArgs,
    run=_run,
    abandon=_abandon,
)
