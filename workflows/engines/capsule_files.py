"""The files that a capsule takes along are kept with its run: going on with it needs none of the author's folders."""

from __future__ import annotations

from collections.abc import Mapping

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.contents import Contents
from somagent.workflows.engines.protocol import EngineError


def store_files(contents: Contents, plan: Plan, files: Mapping[str, bytes]) -> None:
    """Keeps the files that the plan and its capsules take along; raises `EngineError` when one is missing or another.

    Those of the plan itself are given by their paths, those of its capsules by their digests.
    """
    inside = [(file, file.digest) for below in plan.capsules.values() for file in below.files]
    for file, name in [*((file, file.path) for file in plan.files), *inside]:
        content = files.get(name)
        if content is None:
            raise EngineError(f"the capsule takes `{file.path}` along, but it was not given")
        if contents.put_bytes(content) != file.digest:
            raise EngineError(f"`{file.path}` changed since the capsule was compiled; compile it again")
