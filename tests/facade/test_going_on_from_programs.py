"""Runs that programs start, watch, decide on and go on with, with an event loop and without."""

import asyncio
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from small_capsules import asked_capsule, fails_capsule, filling_capsule, held_capsule, sum_capsule, whole_capsule

import somagent


def told(events: list[somagent.Event]) -> list[str]:
    return [f"{event.kind} {event.key.step}".strip() for event in events]


BEFORE = ["attempt write", "result write", "attempt agree", "waiting agree", "run"]
AFTER = ["decision agree", "attempt agree", "result agree", "attempt publish", "result publish", "run"]


def test_a_program_with_a_loop_sees_every_event_once_decides_and_has_the_result(tmp_path: Path) -> None:
    async def main() -> None:
        async with somagent.Runs(tmp_path / "runs") as runs:
            run = await runs.start(asked_capsule(tmp_path), submitter="ann")
            assert told([event async for event in run]) == BEFORE
            with pytest.raises(somagent.RunUnfinished, match="waits for people: `agree`: Publish"):
                (await run.result()).check()
            await run.approve("agree", by="bo", comment="fine", outputs={"level": 3})
            events = [event async for event in run]
            result = await run.result()
            assert told(events) == AFTER
            assert (events[-1].phase, result.outputs["at"], run.view().decisions[0].by) == ("Succeeded", 3, "bo")
            assert [chunk.text for chunk in run.logs("write")] == ["wrote it\n"]
            assert run.fetch("page", tmp_path / "copy").read_text() == "words\n"
            with pytest.raises(somagent.EngineError, match="did you mean `page`"):
                run.fetch("pge")
            shutil.rmtree(tmp_path / "runs" / "contents")
            with pytest.raises(somagent.EngineError, match="artifact `page` of r-"):
                run.fetch("page", tmp_path / "again")

    asyncio.run(main())


def test_the_same_without_a_loop(tmp_path: Path) -> None:
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.start(asked_capsule(tmp_path))
        assert told(list(run)) == BEFORE
        run.approve("agree", by="bo", outputs={"level": 3})
        assert told(list(run)) == AFTER
        assert (run.result().outputs["at"], [one.id for one in runs.list()]) == (3, [run.id])
    assert "somagent" not in [thread.name for thread in threading.enumerate()]


def test_many_runs_are_at_work_at_once_and_each_is_told_of_its_own(tmp_path: Path) -> None:
    path = sum_capsule(tmp_path)

    async def one(runs: somagent.Runs, left: int) -> int:
        run = await runs.start(path, {"left": left})
        assert {event.key.run async for event in run} == {run.id}
        outputs: dict[str, int] = (await run.result()).outputs
        return outputs["sum"]

    async def main() -> list[int]:
        async with somagent.Runs(tmp_path / "runs") as runs:
            return await asyncio.gather(*(one(runs, left) for left in range(3)))

    assert asyncio.run(main()) == [2, 3, 4]


def test_what_is_found_later_is_decided_on_resumed_and_run_again(tmp_path: Path) -> None:
    first = somagent.run(asked_capsule(tmp_path), data_dir=tmp_path / "runs")
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.get("last")
        with pytest.raises(somagent.DecisionRefused, match="level"):
            run.approve("agree", by="bo")
        with pytest.raises(somagent.DecisionRefused, match="these wait for a decision: agree"):
            run.approve("agre", by="bo")
        run.approve("agree", by="bo", outputs={"level": 1})
        assert (run.id, run.result().phase) == (first.id, "Waiting")  # it is written down; nobody is at work
        assert run.resume().result().outputs["at"] == 1
        again = run.rerun(submitter="cy")
        assert (again.result().phase, again.view().run.submitter) == ("Waiting", "cy")
        for same in (again.rerun(), again.retry()):
            assert same.view().run.submitter == "cy"  # nobody else was named
        again.cancel(by="cy")
        assert again.result().phase == "Cancelled"
        with pytest.raises(somagent.UnknownRun):
            runs.get("r-1999")


def test_a_failed_run_says_why_when_it_is_asked_and_a_retry_takes_over_what_succeeded(tmp_path: Path) -> None:
    failed = somagent.run(fails_capsule(tmp_path), data_dir=tmp_path / "runs")
    with pytest.raises(somagent.RunFailed) as caught:
        failed.check()
    assert (failed.phase, caught.value.step) == ("Failed", "pull")
    assert caught.value.failure is not None
    assert caught.value.failure.failure_class == "error"
    said = str(caught.value)
    assert said.startswith("✗ pull failed: error, after ")
    assert "| no such host" in said
    assert "env.GO  no" in said
    with pytest.raises(somagent.RunFailed):
        failed.outputs  # noqa: B018 - it raises
    with somagent.Runs(tmp_path / "runs") as runs:
        new = runs.get(failed.id).retry(inputs={"go": "yes"})
        assert new.result().check().outputs == {}
        assert [step.id for step in new.view().steps if step.history] == ["pull"]
        mended = fails_capsule(tmp_path)
        mended.write_text(mended.read_text().replace('default: "no"', 'default: "yes"').replace("= yes", "= no"))
        new = runs.get(failed.id).retry(capsule=mended)
        assert (new.result().phase, [step.id for step in new.view().steps if step.history]) == ("Succeeded", ["pull"])


def test_who_stops_waiting_does_not_stop_the_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with somagent.Runs(tmp_path / "runs") as runs:
            run = await runs.start(sum_capsule(tmp_path), {"left": 1})
            waiting = asyncio.create_task(run.result())
            await asyncio.sleep(0)
            waiting.cancel()
            assert (await run.result()).outputs == {"sum": 3}

    asyncio.run(main())


def test_who_leaves_cuts_off_what_is_at_work_and_anybody_can_go_on_with_it(tmp_path: Path) -> None:
    async def main() -> str:
        async with somagent.Runs(tmp_path / "runs") as runs:
            run = await runs.start(held_capsule(tmp_path), {"until": str(tmp_path / "go")})
            waiting = asyncio.create_task(run.result())
            async for event in run:
                if event.kind == "attempt":
                    break
        assert (await waiting).phase == "Pending"
        return run.id

    run_id = asyncio.run(main())
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.get(run_id)
        with pytest.raises(somagent.RunUnfinished, match=r"has not ended \(Pending\); go on with `resume`"):
            run.result().check()
        (tmp_path / "go").touch()
        assert run.resume().result().phase == "Succeeded"


def test_what_ends_the_work_is_raised_to_who_waits_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    program = f"""
import somagent
with somagent.Runs("runs") as runs:
    run = runs.start({str(filling_capsule(tmp_path))!r})
    for wait in (run.result, lambda: list(run)):
        try:
            wait()
        except somagent.EngineError as error:
            print(type(error).__name__, "nothing recorded is lost" in str(error))
"""
    limited = ["bash", "-c", 'ulimit -f 256; exec "$0" -c "$1"', sys.executable, program]
    said = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.stdout, said.stderr) == ("StorageFull True\nStorageFull True\n", "")
    with somagent.Runs(tmp_path / "runs") as runs:
        assert runs.get("last").resume().result().phase == "Succeeded"


def test_runs_that_are_started_by_themselves_all_end(tmp_path: Path) -> None:
    path = sum_capsule(tmp_path)

    async def one(left: int) -> int:
        run = await somagent.start(path, {"left": left}, data_dir=tmp_path / "runs")
        outputs: dict[str, int] = (await run.result()).outputs
        return outputs["sum"]

    async def main() -> list[int]:
        return await asyncio.gather(one(1), one(2))

    assert asyncio.run(main()) == [3, 4]


def test_who_stops_looking_and_who_comes_too_late_is_told_so(tmp_path: Path) -> None:
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.start(asked_capsule(tmp_path))
        for event in run:
            assert event.kind == "attempt"
            break
        assert told(list(run))[-1] == "run"
    with pytest.raises(RuntimeError, match="closed with their block"):
        run.result()


def test_steps_inside_a_capsule_are_named_by_the_way_to_them(tmp_path: Path) -> None:
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.start(whole_capsule(tmp_path))
        with pytest.raises(somagent.RunUnfinished, match="`part/agree`: Publish"):
            run.result().check()
        run.approve("part/agree", by="bo", outputs={"level": 4})
        assert run.result().outputs == {"at": 4}
        assert [chunk.text for chunk in run.logs("part/write")] == ["wrote it\n"]
        assert [chunk.key.step for chunk in run.logs()] == ["write", "agree"]
        assert run.fetch("part.page", tmp_path / "copy").read_text() == "words\n"
        with pytest.raises(somagent.EngineError, match="has no step `part/rite`; its steps: part, part/write"):
            run.logs("part/rite")


def test_who_rejects_fails_the_run_and_is_named_in_why(tmp_path: Path) -> None:
    with somagent.Runs(tmp_path / "runs") as runs:
        run = runs.start(asked_capsule(tmp_path))
        run.result()
        run.reject("agree", by="bo", comment="too early")
        with pytest.raises(somagent.RunFailed, match="rejected by bo: too early") as caught:
            run.result().check()
    assert caught.value.step == "agree"


def test_runs_are_opened_again_after_a_block_and_not_inside_it(tmp_path: Path) -> None:
    runs = somagent.Runs(tmp_path / "runs")
    with runs as open_:
        run_id = open_.start(sum_capsule(tmp_path), {"left": 1}).id
        with pytest.raises(RuntimeError, match="open already"), runs:
            pass

    async def main() -> str:
        async with runs:
            return (await runs.get(run_id).resume().result()).phase

    assert asyncio.run(main()) == "Succeeded"
