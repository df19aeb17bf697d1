"""A capsule run from a Python program: compile, submit, work, in one call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from somagent.capsule_compiler.diagnostics import render_all
from somagent.governance.documents import Diagnostic, Source
from somagent.workflows.capsules import compile_file, find_capsule, read_constitution, this_installation
from somagent.workflows.identity import who_acts
from somagent.workflows.inputs import accept_inputs

if TYPE_CHECKING:
    from somagent.workflows.engines.protocol import RunView


class CapsuleRefused(Exception):
    """The capsule (or the constitution) has mistakes; the message shows all of them, `diagnostics` holds them."""

    def __init__(self, source: Source, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n" + render_all(source, diagnostics))
        self.source = source
        self.diagnostics = diagnostics


def run_capsule(
    capsule: str | Path,
    inputs: Mapping[str, Any] | None = None,
    *,
    data_dir: str | Path = ".somagent",
    constitution: str | Path | None = None,
    submitter: str | None = None,
) -> RunView:
    """Runs a capsule file, or a library capsule by its name, on the local engine until it ends or waits for people.

    Where the data directory says how people are known (docs/approvals.md), `submitter` is nobody else: the token in
    `$SOMAGENT_TOKEN` or the account says who it is, as on the command line.

    Raises `CapsuleRefused`, `somagent.workflows.inputs.InputsRefused`, `somagent.workflows.identity.IdentityRefused`
    before there is a run, and `somagent.workflows.engines.protocol.EngineError` when the data directory cannot be used.
    Ends of a run, failure among them, are in the view's `phase`.
    """
    from somagent.workflows.engines.local import LocalEngine  # noqa: PLC0415  asyncio and sqlite3, for runs only

    source, book, mistakes = read_constitution(Path(constitution) if constitution else None)
    if book is None:
        raise CapsuleRefused(source, tuple(mistakes))
    installation = this_installation()
    compilation = compile_file(find_capsule(str(capsule)), installation, book)
    plan = compilation.plan
    if plan is None:
        raise CapsuleRefused(compilation.source, compilation.diagnostics)
    accepted = accept_inputs(plan, inputs or {}, Path.cwd())

    by = who_acts(Path(data_dir), said=submitter, token=os.environ.get("SOMAGENT_TOKEN")).name

    async def work() -> RunView:
        async with LocalEngine(Path(data_dir), installation.operators) as engine:
            await engine.hold()
            return await engine.run(await engine.submit(plan, accepted, submitter=by, files=compilation.contents))

    return asyncio.run(work())
