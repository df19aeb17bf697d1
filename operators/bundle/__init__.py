"""Packs artifacts into one zip file with a manifest of digests; the same inputs give the same bytes.

What goes in and what the manifest says is decided here; how bytes are laid out in the zip is in `archive`.
"""

from __future__ import annotations

from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.bundle.args import BundleArgs
from somagent.operators.operator import Answer, Operator, Step, arguments_schema

__all__ = ["OPERATOR", "BundleArgs"]


async def _run(args: BundleArgs, step: Step) -> Answer:
    from somagent.operators.bundle.run import run  # noqa: PLC0415 - checking a capsule needs no zip files

    return await run(args, step)


OPERATOR = Operator(
    entry=OperatorEntry(
        name="bundle",
        summary="Pack artifacts into one zip file with a manifest of digests",
        arguments=arguments_schema(BundleArgs),
        outputs={"artifact": {"type": "artifact"}},
        core=True,
    ),
    arguments=BundleArgs,
    run=_run,
    not_yet=("sign",),
)
