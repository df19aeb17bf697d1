# ruff: noqa: PLR0917 -- a test names the fixtures it uses
"""What people read: runs, views, logs and events. Reading makes nothing and changes nothing."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from somagent.capsule_compiler.plan import IncludedFile, Retry, digest_of
from somagent.workflows.engines.protocol import EngineError, UnknownRun


def test_reading_makes_no_directory(make_engine, tmp_path):
    engine = make_engine()
    assert engine.runs() == []
    with pytest.raises(UnknownRun, match="there are no runs in"):
        engine.view("r-1")
    with pytest.raises(UnknownRun):
        list(engine.logs("r-1"))
    assert list(tmp_path.iterdir()) == []


def test_reading_takes_no_lease(run_plan, make_plan, make_node, make_engine, tmp_path):
    view = run_plan(make_plan(make_node("a")))
    (tmp_path / "data" / "lease").unlink()
    engine = make_engine()
    assert engine.view(view.run.id) == view
    assert [run.id for run in engine.runs()] == [view.run.id]
    assert not (tmp_path / "data" / "lease").exists()


def test_a_journal_in_a_folder_that_cannot_be_written_to_is_read(run_plan, make_plan, make_node, make_engine, tmp_path):
    view = run_plan(make_plan(make_node("a")))
    (tmp_path / "data").chmod(0o500)
    try:
        assert make_engine().view(view.run.id) == view
    finally:
        (tmp_path / "data").chmod(0o700)


@pytest.mark.parametrize("far", ["empty", "wal"])
def test_a_journal_whose_maker_died_early_has_no_runs_yet(make_engine, go, make_plan, make_node, tmp_path, far):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "journal.sqlite3"
    path.touch()
    if far == "wal":
        db = sqlite3.connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.close()
    engine = make_engine()
    assert engine.runs() == []
    with pytest.raises(UnknownRun, match="there are no runs in"):
        engine.view("r-1")

    async def main():
        async with engine:
            return await engine.run(await engine.submit(make_plan(make_node("a")), {}, submitter="ada", files={}))

    assert go(main()).phase == "Succeeded"


def test_an_unknown_run_is_named(run_plan, make_plan, make_node, make_engine, tmp_path):
    run_plan(make_plan(make_node("a")))
    with pytest.raises(UnknownRun, match=r"there is no run `r-1` in .*data"):
        make_engine().view("r-1")


def test_the_data_directory_is_not_for_version_control(run_plan, make_plan, make_node, tmp_path):
    run_plan(make_plan(make_node("a")))
    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"


def test_logs_come_in_the_order_of_the_starts_and_name_their_attempt(
    run_plan, make_plan, make_node, make_engine, tmp_path
):
    text = f"echo one; test -e {tmp_path}/again || {{ touch {tmp_path}/again; exit 75; }}; printf 'caf\\xe9\\n'"
    retry = Retry(attempts=2, failures=["transient"])
    plan = make_plan(
        make_node("b", operator="script", arguments={"run": text}, retry=retry),
        make_node("a", "b", operator="script", arguments={"run": "echo two"}),
        make_node("silent", "a"),
    )
    view = run_plan(plan)
    assert view.failure is None
    chunks = [(chunk.key.step, chunk.attempt, chunk.text) for chunk in make_engine().logs(view.run.id)]
    assert chunks == [("b", 1, "one\n"), ("b", 2, "one\ncaf\ufffd\n"), ("a", 1, "two\n")]
    assert [chunk.text for chunk in make_engine().logs(view.run.id, "a")] == ["two\n"]
    assert (tmp_path / "data" / "logs" / view.run.id / "b.2.log").exists()


def test_work_folders_of_a_dead_process_are_removed(make_engine, go, tmp_path):
    left = tmp_path / "data" / "work" / "r-1.a.1"
    left.mkdir(parents=True)
    (left / "file").write_text("left")

    async def main():
        async with make_engine() as engine:
            await engine.hold()

    go(main())
    assert not left.exists()


def test_events_tell_what_has_become_durable_in_order(make_engine, go, make_plan, make_node, tmp_path):
    note = {"file": str(tmp_path / "marks"), "fail": ["transient"]}
    retry = Retry(attempts=2, failures=["transient"])
    plan = make_plan(
        make_node("a", operator="note", arguments=note, retry=retry), make_node("gate", "a", operator="ask")
    )

    async def main():
        seen = []
        async with make_engine() as engine:
            run = await engine.submit(plan, {}, submitter="ada", files={})

            async def look_on(events):
                async for event in events:
                    view = engine.view(run)
                    rows = (
                        view.phase
                        if event.kind == "run"
                        else next(s.phase for s in view.steps if s.id == event.key.step)
                    )
                    seen.append((event.kind, event.key.step, event.phase, event.attempt, rows))

            onlooker = asyncio.create_task(look_on(engine.watch(run)))
            await engine.run(run)
            await onlooker
        return seen

    assert [event[:4] for event in go(main())] == [
        ("run", "", "Running", 0),
        ("attempt", "a", "Running", 1),
        ("retry", "a", "Pending", 1),
        ("attempt", "a", "Running", 2),
        ("result", "a", "Succeeded", 2),
        ("attempt", "gate", "Running", 1),
        ("waiting", "gate", "Waiting", 1),
        ("run", "", "Waiting", 0),
    ]


def test_a_run_that_has_ended_is_left_as_it_is(run_plan, make_plan, make_node, make_engine, go):
    view = run_plan(make_plan(make_node("a")))

    async def again():
        async with make_engine() as engine:
            return await engine.run(view.run.id)

    assert go(again()) == view


def test_a_run_is_not_worked_on_twice_at_once(make_engine, go, make_plan, make_node, tmp_path):
    slow = make_node("slow", operator="note", arguments={"file": str(tmp_path / "marks"), "seconds": 0.2})

    async def main():
        async with make_engine() as engine:
            run = await engine.submit(make_plan(slow), {}, submitter="ada", files={})
            return await asyncio.gather(engine.run(run), engine.run(run), return_exceptions=True)

    first, second = go(main())
    assert first.phase == "Succeeded"
    assert isinstance(second, EngineError)
    assert "at work on" in str(second)


def test_files_are_stored_with_the_run_and_must_be_the_ones_that_were_compiled(make_engine, go, make_plan, make_node):
    content = b"print('hello')"
    file = IncludedFile(path="tools/hello.py", digest=digest_of(content), size=len(content))
    plan = make_plan(make_node("a"), files=[file])

    async def main():
        async with make_engine() as engine:
            with pytest.raises(EngineError, match=r"`tools/hello\.py` changed since"):
                await engine.submit(plan, {}, submitter="ada", files={"tools/hello.py": b"other"})
            with pytest.raises(EngineError, match="was not given"):
                await engine.submit(plan, {}, submitter="ada", files={})
            await engine.submit(plan, {}, submitter="ada", files={"tools/hello.py": content})
            return engine.runs(), engine._journal.contents.read_bytes(file.digest)

    runs, stored = go(main())
    assert len(runs) == 1
    assert stored == content


@pytest.fixture
def failed(run_plan, make_plan, make_node, tmp_path):
    """`a -> b(fails) -> c`, and `d`, `gate` beside; b fails as long as `tmp_path/broken` is there."""
    (tmp_path / "broken").touch()
    script = {"run": f"test ! -e {tmp_path}/broken"}
    note = {"file": str(tmp_path / "marks")}
    return run_plan(
        make_plan(
            make_node("a", operator="note", arguments=note),
            make_node("b", "a", operator="script", arguments=script),
            make_node("c", "b", operator="note", arguments=note),
            make_node("d", operator="note", arguments=note),
            make_node("e", operator="script", arguments=script),
            finals=[make_node("tell", operator="note", arguments=note)],
        )
    )


def test_a_retried_run_takes_over_what_does_not_depend_on_the_step(failed, make_engine, go, tmp_path):
    (tmp_path / "broken").unlink()
    (tmp_path / "marks").unlink()

    async def main():
        async with make_engine() as engine:
            run = await engine.retry_from(failed.run.id, "b")
            return engine.view(run), await engine.run(run)

    before, view = go(main())
    assert {step.id: step.phase for step in before.steps if step.phase != "Pending"} == {
        "a": "Succeeded",
        "d": "Succeeded",
    }
    assert view.phase == "Succeeded"
    assert view.run.retry_of == failed.run.id
    assert view.run.id != failed.run.id
    assert view.steps[0].ended_at == failed.steps[0].ended_at
    marks = (tmp_path / "marks").read_text().split("\n")
    assert marks[:-1] == ["began c 1", "ended c 1", "began tell 1", "ended tell 1"]
    assert failed == make_engine().view(failed.run.id)


def test_retrying_from_an_unknown_step_names_the_steps_there_are(failed, make_engine, go):
    async def main():
        async with make_engine() as engine:
            with pytest.raises(EngineError, match="no step `x` to go on from; its steps are: a, b, c, d, e"):
                await engine.retry_from(failed.run.id, "x")

    go(main())
