"""The files that a capsule takes along are kept with its run: going on with it needs none of the author's folders."""

from __future__ import annotations

from collections.abc import Mapping

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.contents import Contents
from somagent.workflows.engines.protocol import EngineError


def store_files(contents: Contents, plan: Plan, files: Mapping[str, bytes]) -> None:
    """Keeps the files that the plan takes along; raises `EngineError` when one is missing or is another."""
    for file in plan.files:
        content = files.get(file.path)
        if content is None:
            raise EngineError(f"the capsule takes `{file.path}` along, but it was not given")
        if contents.put_bytes(content) != file.digest:
            raise EngineError(f"`{file.path}` changed since the capsule was compiled; compile it again")
