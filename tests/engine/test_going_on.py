"""Going on with a run somewhere else, or at another time, than it was begun."""

from __future__ import annotations

from datetime import timedelta

import pytest
from databases import engine_at

from somagent.operators.runner.records import Decision
from somagent.workflows.engines.protocol import EngineError


def test_a_run_whose_operator_is_gone_is_refused_before_anything_is_recorded(
    run_plan, make_plan, make_node, tmp_path, go
):
    gate = make_node("gate", operator="ask", gate=True)
    parked = run_plan(make_plan(gate, make_node("after", "gate")))

    async def main():
        async with engine_at(tmp_path / "data") as engine:
            with pytest.raises(EngineError, match=r"step `gate` needs the operator `ask`, which is not installed here"):
                await engine.run(parked.run.id)
            assert engine.view(parked.run.id) == parked
            await engine.cancel(parked.run.id, by="ada")
            return await engine.run(parked.run.id)  # nothing of it is started any more

    view = go(main())
    assert view.phase == "Cancelled"
    assert [step.phase for step in view.steps] == ["Cancelled", "Omitted"]


def test_a_clock_set_back_between_processes_never_makes_a_run_end_before_it_began(
    make_engine, make_plan, make_node, clock, go
):
    gate = make_node("gate", operator="ask", gate=True)

    async def main():
        async with make_engine(clock) as engine:
            run = await engine.submit(make_plan(gate), {}, submitter="ada", files={})
            await engine.run(run)
        clock.set_back(timedelta(hours=3))
        async with make_engine(clock) as engine:
            await engine.cancel(run, by="bob")
            return await engine.run(run)

    view = go(main())
    assert view.phase == "Cancelled"
    assert view.ended_at >= view.started_at


def test_a_clock_set_back_between_processes_never_makes_a_step_end_before_what_it_needs(
    make_engine, make_plan, make_node, clock, go
):
    steps = (make_node("before"), make_node("gate", "before", operator="ask", gate=True), make_node("after", "gate"))

    async def main():
        async with make_engine(clock) as engine:
            run = await engine.submit(make_plan(*steps), {}, submitter="ada", files={})
            parked = await engine.run(run)
        clock.set_back(timedelta(hours=3))
        async with make_engine(clock) as engine:
            await engine.signal(run, Decision(step="gate", by="bob", approve=True, at=clock.now()))
            return parked.steps[1].history[0].ended_at, await engine.run(run)

    asked_at, view = go(main())
    assert view.phase == "Succeeded"
    times = [asked_at, view.steps[1].history[1].started_at, view.steps[1].ended_at]
    times += [view.steps[2].started_at, view.steps[2].ended_at, view.ended_at]
    assert times == sorted(times)
