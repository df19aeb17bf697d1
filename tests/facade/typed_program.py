"""What a strict type checker must know of a program that uses SomaGent; it is checked, not run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, assert_type

import msgspec

import somagent


class Sum(msgspec.Struct):
    sum: int


@dataclass
class Page:
    page: somagent.Artifact
    at: int = 0


class Said(TypedDict):
    at: int


def blocking() -> None:
    assert_type(somagent.run("sum.capsule.yaml", {"left": 1}), somagent.Result[dict[str, Any]])
    assert_type(somagent.run("sum.capsule.yaml", outputs=Sum).outputs.sum, int)
    assert_type(somagent.run(somagent.compile("asked.capsule.yaml"), outputs=Page).outputs.page, somagent.Artifact)
    assert_type(somagent.run(Path("asked.capsule.yaml"), outputs=Said).check().outputs["at"], int)
    with somagent.Runs("runs", parallel=4) as runs:
        assert_type(runs, somagent.BlockingRuns)
        run = runs.start("sum.capsule.yaml", {"left": 1}, outputs=Sum)
        assert_type(run, somagent.BlockingRun[Sum])
        for event in run:
            assert_type(event, somagent.Event)
        assert_type(run.retry("add", inputs={"left": 2}).resume().result().outputs, Sum)
        assert_type(runs.get("last").result().outputs, dict[str, Any])
        assert_type(runs.get("last", outputs=Page).rerun(), somagent.BlockingRun[Page])
        assert_type(run.artifacts(), Mapping[str, somagent.Artifact])
        assert_type(run.fetch("page", "here"), Path)


async def with_a_loop() -> None:
    one = await somagent.start("sum.capsule.yaml", outputs=Sum)
    assert_type((await one.result()).outputs, Sum)
    async with somagent.Runs() as runs:
        assert_type(runs, somagent.Runs)
        run = await runs.start("asked.capsule.yaml", outputs=Said)
        assert_type(run, somagent.Run[Said])
        async for event in run:
            assert_type(event, somagent.Event)
        await run.approve("agree", by="bo", comment="fine", outputs={"level": 3})
        assert_type((await run.result()).check().outputs, Said)
        assert_type(await (await run.rerun()).resume().result(), somagent.Result[Said])
