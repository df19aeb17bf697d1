"""A program beside a process that works in the data directory: it submits, follows and decides all the same."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from small_capsules import asked_capsule
from somagent_shell import COMMAND

import somagent


@pytest.fixture
def worker(tmp_path: Path):
    serve = [str(COMMAND), "serve", "--engine", "--data-dir", str(tmp_path / "runs")]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "works in" in process.stderr.readline()
        yield process
        process.terminate()


def test_the_worker_does_the_work_and_the_program_sees_it(worker: subprocess.Popen[str], tmp_path: Path) -> None:
    async def main() -> tuple[list[str], somagent.Result[dict[str, int]]]:
        async with somagent.Runs(tmp_path / "runs") as runs:
            run = await runs.start(asked_capsule(tmp_path))
            kinds = [event.kind async for event in run]
            await run.approve("agree", by="bo", outputs={"level": 2})
            assert run.view().held_by in {None, worker.pid}
            return kinds, await run.result()

    kinds, result = asyncio.run(main())
    assert kinds == ["attempt", "result", "attempt", "waiting", "run"]
    assert result.outputs["at"] == 2
