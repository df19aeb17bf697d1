"""A step that a result lets begin is begun with it, if nothing else decides; runs are asked while there is a place."""

from __future__ import annotations

import asyncio
import contextlib

from somagent.workflows.engines.slots import Slots


def committed(names: list[str], write: str) -> int:
    return names.count(f"{write}.committed")


def test_a_chain_is_written_in_one_transaction_a_step(run_plan, make_plan, make_node, phases):
    names: list[str] = []
    view = run_plan(make_plan(make_node("a"), make_node("b", "a"), make_node("c", "b")), crash=names.append)
    assert phases(view) == {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"}
    assert [step.attempts for step in view.steps] == [1, 1, 1]
    assert (committed(names, "begin"), committed(names, "record")) == (1, 3)


def test_a_step_with_a_condition_begins_when_it_is_known_to_be_true(run_plan, make_plan, make_node, phases):
    names: list[str] = []
    never = make_node("never", "a", guard="1 > 2")
    view = run_plan(make_plan(make_node("a"), make_node("b", "a", guard="1 < 2"), never), crash=names.append)
    assert phases(view) == {"a": "Succeeded", "b": "Succeeded", "never": "Skipped"}
    assert committed(names, "begin") == 2


def test_a_step_begins_when_the_last_of_its_needs_is_recorded(run_plan, make_plan, make_node, tmp_path):
    noted = {"file": str(tmp_path / "marks"), "seconds": 0.2}
    slow = make_node("slow", operator="note", arguments=noted)
    view = run_plan(make_plan(make_node("fast"), slow, make_node("both", "fast", "slow")))
    last = {step.id: step for step in view.steps}
    assert last["both"].started_at >= last["slow"].ended_at


def test_what_was_begun_and_never_came_to_its_turn_is_cut_off_and_runs_later(make_engine, make_plan, make_node, go):
    async def main():
        made = []

        def close_before_it_is_told(point: str) -> None:
            if point == "record.committed":
                made[0].begin_nothing()

        async with make_engine(crash=close_before_it_is_told) as engine:
            made.append(engine)
            run = await engine.submit(make_plan(make_node("a"), make_node("b", "a")), {}, submitter="ada", files={})
            watch = engine.watch(run)
            task = asyncio.create_task(engine.run(run))
            async for event in watch:
                if event.key.step == "b" and event.kind == "attempt":
                    task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        async with make_engine() as engine:
            return await engine.run(run)

    view = go(main())
    assert view.phase == "Succeeded"
    first, second = view.steps[1].history
    assert (first.failure.failure_class, second.phase, view.steps[1].attempts) == ("cut_off", "Succeeded", 2)


def test_runs_are_asked_what_they_can_begin_only_while_there_is_a_place():
    asked = []
    slots = Slots(2)

    def fill(name: str) -> None:
        asked.append(name)
        slots.free -= 1

    for name in "abcd":
        slots.runs.append(lambda name=name: fill(name))
    slots.share()
    assert asked == ["b", "c"]
    slots.share()
    assert asked == ["b", "c"]
    slots.free += 1
    slots.share()
    assert asked == ["b", "c", "d"]
